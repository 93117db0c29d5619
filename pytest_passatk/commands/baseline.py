"""`passatk baseline`: what baselines there are, what is in them, and putting them together."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from functools import reduce

from pytest_passatk.baselines import file
from pytest_passatk.baselines.names import check_name, file_of
from pytest_passatk.baselines.places import Places
from pytest_passatk.commands.baseline_text import differing, listed, shown
from pytest_passatk.commands.sides import PLACE, OpenStore, add_folder_argument, open_places
from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.names import name_some
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.gate.pooling import pool
from pytest_passatk.report.text import visible

NAME = "baseline"
HELP = "list, show, compare, pool and check baselines"
DESCRIPTION = "Look after baselines: the counts that --passatk-save keeps, as text files."
FAULTY = 1


def add_arguments(parser: ArgumentParser) -> None:
    """What to do, and with which baselines."""
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    for name, act, say, places, suite in (
        ("list", _list, "list all baselines", None, False),
        ("show", _show, "pass@k with intervals, and the runs of a baseline", ("place", 1), True),
        ("diff", _diff, "the problems whose share of right samples differs", ("places", 2), True),
        ("merge", _merge, "pool baselines or runs of one model and settings into one", ("places", "+"), True),
        ("check", _check, "read every file, and name those that are damaged", ("places", "*"), False),
    ):
        action = actions.add_parser(name, help=say, description=f"{say[0].upper()}{say[1:]}.")
        if name == "merge":
            action.add_argument("output", metavar="OUT", help="name of the baseline to write")
        if places:
            action.add_argument("places", metavar=PLACE, nargs=places[1])
        if suite:
            action.add_argument("--suite", metavar="TITLE", help="one suite, by its title")
        add_folder_argument(action)
        action.set_defaults(act=act)


def run(open_store: OpenStore, chosen: Namespace) -> int:
    """Do it; returns the exit status."""
    status: int = chosen.act(open_places(open_store, chosen, *getattr(chosen, "places", ())), chosen)
    return status


def _list(places: Places, chosen: Namespace) -> int:
    found = [(name, measurement) for name in places.names() for measurement in _all(places, name)]
    if not found:
        raise UsageError(f"{chosen.baselines}: no baseline in it: make one with pytest … --passatk-save NAME")
    _print(listed(found))
    return 0


def _show(places: Places, chosen: Namespace) -> int:
    [place] = chosen.places
    _print(line for each in _all(places, place, chosen.suite) for line in shown(each))
    return 0


def _diff(places: Places, chosen: Namespace) -> int:
    before, after = chosen.places
    old = {each.title: each for each in _all(places, before, chosen.suite)}
    new = {each.title: each for each in _all(places, after, chosen.suite)}
    for title in sorted(old.keys() | new.keys()):
        if title in old and title in new:
            _print(differing(old[title], new[title]))
        else:
            _print([f"{visible(title)}: only in {visible(before if title in old else after)}"])
    return 0


def _merge(places: Places, chosen: Namespace) -> int:
    check_name(chosen.output)
    if chosen.output in places.names() and chosen.output not in chosen.places:
        raise UsageError(f"there is a baseline {chosen.output}: name it among those to pool, or write to another one")
    sides: dict[str, list[Measurement]] = {}
    for place in chosen.places:
        for each in _all(places, place, chosen.suite):
            if lacking := places.unmeasured(place, each.title):
                raise UsageError(f"{place}: {each.title}: problems without all their verdicts: {name_some(lacking)}")
            sides.setdefault(each.title, []).append(each)
    for pooled in [reduce(pool, each) for each in sides.values()]:  # all of them before any is written
        _print([str(places.write(chosen.output, pooled))])
    return 0


def _check(places: Places, chosen: Namespace) -> int:
    names = chosen.places or places.names()
    files = [path for name in names for path in places.files(name)]
    faults = [fault for name in names for fault in _faults(places, name)]
    if not files and not faults:
        raise UsageError(f"{', '.join(names) or chosen.baselines}: no baseline file there: nothing was checked")
    _print(faults or [f"{len(files):,} baseline files are in order"])
    return FAULTY if faults else 0


def _faults(places: Places, name: str) -> Iterator[str]:
    files = places.files(name)
    if not files:
        yield f"{name}: no baseline file there"
    for path in files:
        try:
            title = file.read(path, name).title
        except UsageError as error:
            yield str(error)
        else:
            if path.name != file_of(title):
                yield f"{path}:1: it is of suite {visible(title)}, and so would be called {file_of(title)}: rename it"


def _all(places: Places, place: str, title: str | None = None) -> list[Measurement]:
    return [places.get(place, each) for each in ([title] if title else places.titles(place))]


def _print(lines: Iterator[str] | list[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
