"""With workers: the same numbers, one writer, and an end whatever happens to a worker."""

import os

from sessions import MakeSessions


def test_workers_change_no_number(make_sessions: MakeSessions) -> None:
    counts = []
    for workers in (0, 2):
        sessions = make_sessions(workers)
        sessions.write()
        sessions.run("--passatk-no-cache").assert_outcomes(passed=3)
        counts.append(sessions.counts())
    assert counts[0] == counts[1]
    assert os.path.exists(sessions.pytester.path / "report.json")
