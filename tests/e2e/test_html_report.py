"""The HTML report in a real browser: headless Chromium, driven by selenium."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from pytest_passatk.core.costs import Usage
from pytest_passatk.core.plan import PlannedProblem, PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.record import Judged, ProblemRecord, RunRecord, SuiteRecord
from pytest_passatk.core.sample import Completion, FinishReason, Prompt, SamplingParams
from pytest_passatk.core.summary import summarize
from pytest_passatk.core.verdict import Status, Verdict
from pytest_passatk.gate.compare import compare
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.gate.family import Policy
from pytest_passatk.gate.measurement import Measured, Measurement
from pytest_passatk.report.html import chunks, write
from pytest_passatk.report.wording import change, probability, ruling

Driver: TypeAlias = Any  # selenium is optional
Show: TypeAlias = Callable[..., Path]

LETTERS = {"P": Status.PASS, "F": Status.FAIL, "T": Status.TIMEOUT, "E": Status.ERROR}
PROBLEMS = {"p1": "PPPP", "p2": "PFFF", "p10": "FFFF", "p11": "PPPf", "p3": "FFTF", "p4": "PPFF"}
BASELINE = {"p1": "PPPP", "p2": "PPPP", "p10": "PPPP", "p11": "PFFF", "p3": "FFFF"}
ATTACKS = [
    "</script><script>window.hit=1</script>",
    "</title></style><img src=x onerror='window.hit=1'>",
    "<!--<script>",
    "]]><svg onload=window.hit=1>",
    "javascript:window.hit=1",
    "{{constructor.constructor('window.hit=1')()}} ${window.hit=1} %%index%%",
    "\u202egnp.exe\u202c \u2066 \x1b[31m \x00 \u2028 \u2029",
    "\ud83d lone \udc00",
    "__proto__",
    "constructor",
    "\"}');window.hit=1//\\",
    "http://attacker.invalid/beacon.png",
    "line " * 200_000,
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Driver]:
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    missing += [] if find_spec("selenium") else ["selenium"]
    if missing and os.environ.get("PASSATK_REQUIRE_CHROMIUM") == "1":
        pytest.fail(f"PASSATK_REQUIRE_CHROMIUM=1, but {', '.join(missing)} is not installed", pytrace=False)
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed: install Chromium with its driver, and selenium")
    driver = start_browser()
    yield driver
    driver.quit()


def start_browser() -> Driver:
    from selenium import webdriver  # noqa: PLC0415 - optional

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver") or ""))


@pytest.fixture
def show(browser: Driver, tmp_path: Path) -> Show:
    """Writes the page of a run, with texts as a small or as a large run has them, and opens it."""

    def open_page(
        suites: Sequence[SuiteRecord], comparisons: Sequence[Comparison] = (), name: str = "report #1.html"
    ) -> Path:
        page = tmp_path / name
        run = RunRecord(3, "pytest suites --n 4", 11, "2026-01-02T03:04:05+00:00", 1.5, tuple(suites))
        write(page, run, [summarize(suite) for suite in suites], comparisons)
        read_log(browser, "performance"), read_log(browser, "browser")  # what came before
        browser.get(page.as_uri())
        return page

    return open_page


@pytest.fixture(params=["inside", "beside"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the texts lie: within the page, or in files beside it."""
    if request.param == "beside":
        keep_beside(monkeypatch)
    return str(request.param)


def keep_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_passatk.report.html.page.EMBEDDED", 0)
    monkeypatch.setattr(chunks, "CHUNK", 1)


def sample(problem: str, index: int, letter: str, text: str) -> Judged:
    status, lost = LETTERS[letter.upper()], letter.islower()
    finish = FinishReason.LENGTH if lost else FinishReason.STOP
    completion = Completion(problem, index, text, 10, finish, 1.0)
    return Judged(completion, Verdict(status, f"reason of {problem}#{index}", None if lost else str(index)))


def record(
    problems: Mapping[str, str], *, name: str = "arithmetic", text: str = "It is {index}, says {id}.",
    prompt: Prompt | None = None,
) -> SuiteRecord:  # fmt: skip
    n = len(next(iter(problems.values())))
    records = [
        ProblemRecord(
            each,
            each,
            n,
            tuple(
                sample(each, at, letter, text.replace("{index}", str(at)).replace("{id}", each))
                for at, letter in enumerate(letters)
            ),
        )
        for each, letters in problems.items()
    ]
    plan = tuple(PlannedProblem(each, prompt or f"What is {each}?", "judge") for each in problems)
    ks = (1, n) if n > 1 else (1,)
    planned = PlannedSuite(f"suites/{name}.py::test_{name}", "tiny", SamplingParams(), n, ks, True, plan)
    model = ModelInfo("tiny", "tiny", "sha256:0", None, "float32", "none", {"numpy": "2.0"})
    return SuiteRecord(planned, model, tuple(records), 0, n * len(records), 2.0, Usage(0, 10, 0))


def measurement(suite: SuiteRecord, label: str) -> Measurement:
    measured = (Measured(problem.id, len(problem.samples), problem.solved) for problem in suite.problems)
    problems = tuple(sorted(measured, key=lambda each: each.id))
    return Measurement(label, suite.planned.title, {}, {}, None, None, (), problems)


def compared(suite: SuiteRecord, baseline: SuiteRecord) -> Comparison:
    found = compare(measurement(baseline, "main"), measurement(suite, "this run"), (1, 2, 4), Policy({}))
    return attached(replace(found, notes=("5 of 6 problems are in the baseline",)), suite)


def attached(comparison: Comparison, suite: SuiteRecord) -> Comparison:
    """The comparison as one of that suite."""
    return replace(comparison, suite=suite.planned.name, arm=suite.planned.arm)


def css(browser: Driver, selector: str) -> list[Any]:
    return list(browser.find_elements("css selector", selector))


def one(browser: Driver, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def listed(browser: Driver) -> list[str]:
    """The problems in the list, in order; a filter needs a moment."""
    browser.execute_async_script("setTimeout(arguments[0], 200)")
    return [each.text for each in css(browser, "#list tbody .id")]


def choose(browser: Driver, select: str, value: str) -> None:
    one(browser, f"#{select} option[value='{value}']").click()


def wait_for(browser: Driver, selector: str) -> Any:
    from selenium.webdriver.support.ui import WebDriverWait  # noqa: PLC0415 - optional

    return WebDriverWait(browser, 20).until(lambda driver: one(driver, selector) if css(driver, selector) else None)


def open_problem(browser: Driver, problem: str) -> None:
    next(each for each in css(browser, "#list .id") if each.text == problem).click()
    wait_for(browser, "#problem .sample")


def sample_text(browser: Driver, index: int) -> str:
    block = one(browser, f".sample[data-index='{index}']")
    block.find_element("css selector", "summary").click()
    wait_for(browser, f".sample[data-index='{index}'] pre")
    return str(block.text)


def read_log(browser: Driver, kind: str) -> list[dict[str, Any]]:
    return list(browser.get_log(kind))


def requested(browser: Driver) -> list[str]:
    """The addresses that the page asked for since it was opened."""
    messages = [json.loads(entry["message"])["message"] for entry in read_log(browser, "performance")]
    return [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]


def test_figures_and_verdicts_are_those_of_every_report(browser: Driver, show: Show) -> None:
    suite = record(PROBLEMS)
    comparison = compared(suite, record(BASELINE))
    show([suite], [comparison])
    table = [row.text for row in css(browser, "#estimates tbody tr")]
    values = [f"pass@{each.k} {each.value:.3f}" for each in summarize(suite).estimates]
    assert [row[: len(value)] for row, value in zip(table, values, strict=True)] == values
    rows = [[cell.text for cell in row.find_elements("css selector", "th, td")] for row in css(browser, "#verdicts tr")]
    for row, line in zip(rows[1:], comparison.lines, strict=True):
        assert row[:4] == [line.metric, f"{line.before.value:.3f}", f"{line.after.value:.3f}", change(line.delta)]
        assert row[5] == probability(line.adjusted[0] if line.delta < 0 else line.adjusted[1])
        assert ruling(line) in row[-1]
    verdicts = one(browser, "#verdicts").text
    assert "this run against main · 5 problems, n 4 and 4" in verdicts
    assert "note: 5 of 6 problems are in the baseline" in verdicts
    assert len(css(browser, "#curve canvas")) == 1
    assert [each.text for each in css(browser, "#curve figcaption span")][1].startswith("main")


def test_incomparable_and_withheld_are_said(browser: Driver, show: Show) -> None:
    suite = record({"p1": "PPEF"})
    found = compare(measurement(record({"other": "PP"}), "main"), measurement(suite, "this run"), (1,), Policy({}))
    show([suite], [attached(found, suite), replace(found, title="aime", incomparable=("it was not run",))])
    assert "withheld: 1 sample ended in ERROR" in one(browser, "#withheld").text
    assert "incomparable: no problem of this run is in main" in one(browser, "#verdicts").text
    assert one(browser, "#strays").text == "incomparable: aime: it was not run"
    assert not one(browser, "#curve").is_displayed()


def test_every_k_has_its_figure(browser: Driver, show: Show) -> None:
    show([record(PROBLEMS)])
    one(browser, "#every-k summary").click()
    assert [row.text.split()[0] for row in css(browser, "#every-k tbody tr")] == ["1", "2", "3", "4"]


def test_filters_narrow_the_list(browser: Driver, show: Show) -> None:
    suite = record(PROBLEMS)
    show([suite], [compared(suite, record(BASELINE))])
    assert set(listed(browser)) == set(PROBLEMS)
    for select, value, expected in [
        ("band", "never", {"p10", "p3"}),
        ("band", "sometimes", {"p2", "p11", "p4"}),
        ("band", "always", {"p1"}),
        ("kind", "timeout", {"p3"}),
        ("kind", "truncated", {"p11"}),
        ("kind", "unanswered", {"p11"}),
        ("kind", "fail", {"p2", "p10", "p11", "p3", "p4"}),
        ("move", "broken", {"p10"}),
    ]:
        choose(browser, select, value)
        assert set(listed(browser)) == expected, value
        assert one(browser, "#found").text == f"{len(expected)} of 6 problems"
        one(browser, "#reset").click()
    choose(browser, "band", "never")
    choose(browser, "kind", "timeout")
    assert listed(browser) == ["p3"]


def test_the_list_sorts_by_id_share_and_move(browser: Driver, show: Show) -> None:
    suite = record(PROBLEMS)
    show([suite], [compared(suite, record(BASELINE))])
    assert listed(browser)[0] == "p10"  # broken comes first
    headings = "#list thead button"
    css(browser, headings)[0].click()
    assert listed(browser) == ["p1", "p2", "p3", "p4", "p10", "p11"]
    css(browser, headings)[1].click()
    assert listed(browser) == ["p10", "p3", "p2", "p4", "p11", "p1"]
    css(browser, headings)[1].click()
    assert listed(browser)[:3] == ["p1", "p11", "p4"]
    assert css(browser, "#list thead th")[1].get_attribute("aria-sort") == "descending"


def test_search_finds_ids_and_loaded_texts(browser: Driver, show: Show, place: str) -> None:
    show([record(PROBLEMS)])
    one(browser, "#query").send_keys("P1")
    assert set(listed(browser)) == {"p1", "p10", "p11"}, place
    one(browser, "#query").clear()
    one(browser, "#query").send_keys("reason of p3#2")
    assert listed(browser) == []
    one(browser, "#load-all").click()
    assert listed(browser) == ["p3"]
    open_problem(browser, "p3")
    assert [each.get_attribute("data-index") for each in css(browser, ".sample")] == ["2"]


def test_a_sample_opens(browser: Driver, show: Show, place: str) -> None:
    page = show([record(PROBLEMS)])
    assert not [address for address in requested(browser) if address.endswith(".js")]
    open_problem(browser, "p4")
    assert "2/4 solved" in one(browser, "#problem-line").text
    assert "What is p4?" in one(browser, ".prompt").text
    assert [each.text for each in css(browser, ".sample .status")] == ["✓ pass", "✓ pass", "✗ fail", "✗ fail"]
    shown = sample_text(browser, 2)
    assert "It is 2, says p4." in shown
    assert "reason of p4#2" in shown
    files = list(chunks.folder_of(page).iterdir()) if place == "beside" else []
    assert len(files) == (6 if place == "beside" else 0)
    loaded = [address for address in requested(browser) if address.endswith(".js")]
    assert len(loaded) == (1 if place == "beside" else 0)


def test_chats_show_their_roles(browser: Driver, show: Show) -> None:
    chat: Prompt = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"})
    show([record({"p1": "PF"}, prompt=chat)])
    open_problem(browser, "p1")
    assert one(browser, ".prompt").text.split("\n") == ["system", "Be brief.", "user", "2 + 2?"]


def test_a_real_run_has_its_page(browser: Driver, tmp_path: Path) -> None:
    page, suites = tmp_path / "report.html", Path(__file__).parents[2] / "suites" / "arithmetic"
    command: list[str | Path] = [
        *(sys.executable, "-m", "pytest", suites, "--n", "8", "-q", "-p", "no:cacheprovider"),
        *("--passatk-baselines", tmp_path / "baselines", "--passatk-store", tmp_path / "store.sqlite"),
    ]
    compared_with: list[str | Path] = ["--passatk-compare", "main", "--passatk-html", page]
    for options in (["--passatk-save", "main"], compared_with):
        run = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
    browser.get(page.as_uri())
    assert one(browser, "#suite-title").text == "arithmetic"
    assert "this run against main" in one(browser, "#verdicts h3").text
    css(browser, "#list .id")[0].click()
    wait_for(browser, "#problem .sample")
    assert "Compute" in one(browser, ".prompt").text
    assert "boxed" in sample_text(browser, 0)


def test_a_lost_folder_is_named(browser: Driver, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_beside(monkeypatch)
    page = show([record(PROBLEMS)])
    shutil.rmtree(chunks.folder_of(page))
    css(browser, "#list .id")[0].click()
    assert "keep the folder report #1.html.data beside this page" in wait_for(browser, "#problem .notice").text


def test_the_keyboard_is_enough(browser: Driver, show: Show) -> None:
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415 - optional

    show([record(PROBLEMS)])
    browser.execute_script("document.querySelector('#list .id').focus()")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait_for(browser, ".sample")
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    browser.execute_async_script("setTimeout(arguments[0], 200)")
    assert one(browser, "#problem-title").text == "p3"
    for _ in range(10):
        if browser.switch_to.active_element.tag_name == "summary":
            break
        browser.switch_to.active_element.send_keys(Keys.TAB)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert "It is 0, says p3." in wait_for(browser, ".sample[open] pre:last-child").text
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not one(browser, "#problem").is_displayed()
    assert browser.switch_to.active_element.text == "p3"


def test_suites_switch(browser: Driver, show: Show) -> None:
    show([record(PROBLEMS), record({"only": "PF"}, name="aime")])
    next(each for each in css(browser, "#suites button") if each.text == "aime").click()
    assert listed(browser) == ["only"]
    assert one(browser, "#suite-title").text == "aime"
    assert browser.switch_to.active_element.text == "aime"


def test_comparisons_switch(browser: Driver, show: Show) -> None:
    suite = record(PROBLEMS)
    base = replace(compared(suite, record(BASELINE)), before=measurement(record(BASELINE), "base"))
    show([suite], [compared(suite, record(BASELINE)), base])
    assert [each.text for each in css(browser, "#contrast option")] == ["main", "base", "nothing"]
    choose(browser, "contrast", "1")
    assert "against base" in one(browser, "#verdicts").text
    choose(browser, "contrast", "")
    assert one(browser, "#verdicts").text == ""
    assert listed(browser) == ["p10", "p3", "p2", "p4", "p11", "p1"]
    assert not one(browser, "#move-filter").is_displayed()


def test_many_problems_come_in_pages(browser: Driver, show: Show) -> None:
    show([record({f"p{at}": "PF" for at in range(250)})])
    assert len(listed(browser)) == 100
    css(browser, "#pages button")[1].click()
    css(browser, "#pages button")[1].click()
    assert listed(browser) == [f"p{at}" for at in range(200, 250)]


def test_light_and_dark(browser: Driver, show: Show) -> None:
    suite = record(PROBLEMS)
    show([suite], [compared(suite, record(BASELINE))])
    seen = {}
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.execute_async_script("setTimeout(arguments[0], 200)")
        seen[scheme] = (
            brightness(one(browser, "body").value_of_css_property("background-color")),
            brightness(one(browser, "body").value_of_css_property("color")),
            browser.execute_script("return document.querySelector('#curve canvas').toDataURL()"),
        )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert (seen["light"][0] > 600, seen["light"][1] > 600) == (True, False)
    assert (seen["dark"][0] > 600, seen["dark"][1] > 600) == (False, True)
    assert seen["light"][2] != seen["dark"][2]


def brightness(color: str) -> int:
    return sum(map(int, re.findall(r"\d+", color)[:3]))


def test_a_phone_shows_all_without_scrolling_sideways(browser: Driver, show: Show) -> None:
    screen = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    suite = record({**PROBLEMS, "a-very-long-id-" * 20: "PPFF"})
    show([suite, record({"p": "PF"}, name="aime")], [compared(suite, record(BASELINE))])
    width = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width == 390


def hostile(prefix: str = "") -> SuiteRecord:
    """A suite whose every text is an attack."""
    safe = record({f"{prefix}{at}": "PFE" for at in range(len(ATTACKS))})
    attacked = [
        replace(
            problem,
            id=attack[:300],
            samples=tuple(
                replace(
                    each,
                    completion=replace(each.completion, text=attack, error=attack),
                    verdict=replace(each.verdict, reason=attack, answer=attack),
                )
                for each in problem.samples
            ),
        )
        for problem, attack in zip(safe.problems, ATTACKS, strict=True)
    ]
    plan = tuple(PlannedProblem(attack[:300], attack, "judge") for attack in ATTACKS)
    name = f"suites/{ATTACKS[0]}.py::test_{ATTACKS[0]}"
    planned = replace(safe.planned, name=name, problems=plan, revision=ATTACKS[1], arm=ATTACKS[4])
    return replace(safe, planned=planned, problems=tuple(attacked), model=replace(safe.model, name=ATTACKS[0]))


def test_no_text_of_a_model_does_anything(browser: Driver, show: Show, place: str) -> None:
    suite = hostile()
    comparison = compared(suite, suite)
    before = replace(comparison.before, label=ATTACKS[1])
    words = replace(comparison, before=before, notes=tuple(ATTACKS), incomparable=tuple(ATTACKS))
    show([suite, record(PROBLEMS)], [words], name=f"{place} & <b>.html")
    shown = listed(browser)
    assert len(shown) == len(ATTACKS)
    for at in range(len(ATTACKS)):
        browser.execute_script(f"document.querySelector('[data-position=\"{at}\"] button').click()")
        wait_for(browser, ".sample")
        browser.execute_script("for (const each of document.querySelectorAll('.sample')) each.open = true")
        wait_for(browser, ".sample[open] pre")
        browser.execute_script("document.getElementById('problem').close()")
    browser.execute_async_script("setTimeout(arguments[0], 300)")
    assert browser.execute_script("return [typeof window.hit, {}.polluted === undefined]") == ["undefined", True]
    assert css(browser, "img, svg, iframe, object, embed, a, form:not(#filters)") == []
    assert [address.split(":")[0] for address in requested(browser) if not address.startswith("file:")] in (
        [],
        ["data"],
    )
    assert [entry["message"] for entry in read_log(browser, "browser")] == []


def test_attacks_are_shown_as_text(browser: Driver, show: Show, place: str) -> None:
    show([hostile(place)])
    for at, attack in enumerate(ATTACKS):
        browser.execute_script(f"document.querySelector('[data-position=\"{at}\"] button').click()")
        wait_for(browser, ".sample")
        text = one(browser, ".prompt pre").get_attribute("textContent")
        assert text == visible(attack)[:20_000]
        assert one(browser, "#problem-title").text.split() == visible(attack[:300]).split()
        browser.execute_script("document.getElementById('problem').close()")


def visible(text: str) -> str:
    """The text as the page must show it: what cannot be seen, or turns the direction, as its escape."""
    hidden = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
    return hidden.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def test_a_long_text_is_laid_out_on_demand(browser: Driver, show: Show) -> None:
    show([record({"p1": "P"}, text="long " * 10_000)])
    open_problem(browser, "p1")
    assert len(sample_text(browser, 0)) < 21_000
    one(browser, ".sample pre + button").click()
    shown = css(browser, ".sample pre")[-1].get_attribute("textContent")
    assert shown == "long " * 10_000


def test_the_browser_itself_refuses_markup_and_foreign_scripts(browser: Driver, show: Show) -> None:
    from selenium.common.exceptions import JavascriptException  # noqa: PLC0415 - optional

    show([record(PROBLEMS)])
    for attempt in (
        "document.body.innerHTML = '<b>x</b>'",
        "document.body.append(Object.assign(document.createElement('script'), {src: './other.js'}))",
        "addresses.createScriptURL('https://attacker.invalid/x.js')",
        "addresses.createScriptURL('./report.data/../../0123456789abcdef.js')",
    ):
        with pytest.raises(JavascriptException):
            browser.execute_script(attempt)
    refused = "fetch('http://127.0.0.1:9/').then(() => arguments[0]('let through'), () => arguments[0]('refused'))"
    assert browser.execute_async_script(refused) == "refused"
    assert any("Content Security Policy" in entry["message"] for entry in read_log(browser, "browser"))
