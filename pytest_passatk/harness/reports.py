"""The files that a run was asked for."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest
from _pytest.junitxml import xml_key

from pytest_passatk.core.errors import PassatkError
from pytest_passatk.core.record import RunRecord
from pytest_passatk.core.summary import SuiteSummary
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.harness.settings import Settings
from pytest_passatk.report import html, json_report, markdown
from pytest_passatk.report.properties import properties


def write_reports(
    config: pytest.Config,
    settings: Settings,
    run: RunRecord,
    summaries: Sequence[SuiteSummary],
    comparisons: Sequence[Comparison],
) -> None:
    """Write every file that was asked for, also where another one cannot be written.

    Raises:
        PassatkError: one cannot be written: the first.
    """
    writers: list[Callable[[], None]] = []
    if settings.json:
        writers.append(partial(json_report.write, settings.json, run, summaries, comparisons))
    pages = {page: append for page, append in ((settings.step_summary, True), (settings.summary, False)) if page}
    text = markdown.to_markdown(run, summaries, comparisons) if pages else ""
    writers += [partial(markdown.write, page, text, append=append) for page, append in pages.items()]
    if settings.html:
        writers.append(partial(html.write, settings.html, run, summaries, comparisons))
    if settings.junit_properties:
        writers.append(lambda: _add_properties(config, summaries, comparisons))
    errors: list[PassatkError] = []
    for write in writers:
        try:
            write()
        except PassatkError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _add_properties(
    config: pytest.Config, summaries: Sequence[SuiteSummary], comparisons: Sequence[Comparison]
) -> None:
    """Give the figures to pytest's JUnit file, which is written after this."""
    junit = config.stash.get(xml_key, None)
    if junit:
        for name, value in properties(summaries, comparisons):
            junit.add_global_property(name, value)
