"""Fixtures of the tests that run pytest on suites."""

import os

import pytest
from sessions import FAKES, MakeSessions, Sessions

KEPT = "PASSATK_JUDGE_START"  # `PASSATK_JUDGE_START=spawn pytest tests/plugin` tests as on a system without fork


@pytest.fixture
def make_sessions(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> MakeSessions:
    """Sessions with a number of workers, in a folder that knows the fake model."""
    pytester.syspathinsert(FAKES)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FAKES), *filter(None, [os.environ.get("PYTHONPATH")])]))
    for name in [name for name in os.environ if name.startswith(("PASSATK_", "FAKE_", "PYTEST_XDIST_"))]:
        if name != KEPT:  # the last ones: these tests may themselves run in a worker
            monkeypatch.delenv(name)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)  # these runs are none that a person asked for
    monkeypatch.delenv("CI", raising=False)  # pytest's summary repeats long messages there
    monkeypatch.setenv("FAKE_LOG", str(pytester.path / "fake.log"))
    return lambda workers: Sessions(pytester, workers)


@pytest.fixture(params=[0, 2], ids=["n0", "n2"])
def sessions(make_sessions: MakeSessions, request: pytest.FixtureRequest) -> Sessions:
    """Sessions without and with workers."""
    return make_sessions(request.param)


@pytest.fixture
def alone(make_sessions: MakeSessions) -> Sessions:
    """Sessions without workers, for what workers cannot change."""
    return make_sessions(0)
