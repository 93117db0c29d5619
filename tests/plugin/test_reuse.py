"""The store as a run sees it: a sample is drawn once, and drawn again only where something that shapes it changed."""

from sessions import Sessions


def test_the_same_command_again_samples_nothing(sessions: Sessions) -> None:
    sessions.write()
    sessions.run().assert_outcomes(passed=3)
    counts, drawn = sessions.counts(), sessions.log
    result = sessions.run()
    assert result.ret == 0
    assert sessions.log == drawn
    assert sessions.counts() == counts
    result.stdout.fnmatch_lines(["*3 problems × 4 samples, 12 in the store*"])
