"""A run that is cut short, by whatever: what finished is kept, and the same command goes on from there."""

import pytest
from sessions import Sessions


def test_a_model_that_dies_ends_the_run_with_one_message(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions.write()
    monkeypatch.setenv("FAKE_DIES_AFTER", "5")
    result = sessions.run()
    assert result.ret == 1
    assert len(sessions.log) == 5
