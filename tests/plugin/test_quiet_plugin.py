"""A session without suites: nothing imported, nothing written, nothing said."""

from sessions import Sessions

PLAIN = "def test_plain():\n    assert True\n"


def test_a_session_without_suites_is_untouched(sessions: Sessions) -> None:
    sessions.write(PLAIN)
    result = sessions.pytester.runpytest("-n", str(sessions.workers), "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*passatk:*")
