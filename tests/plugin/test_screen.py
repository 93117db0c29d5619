"""What a person sees: header, live line or plain lines, the items, the table, and where the samples are."""

from sessions import Sessions


def test_the_header_says_what_is_sampled_with_what(sessions: Sessions) -> None:
    sessions.write()
    sessions.run().stdout.fnmatch_lines(
        [
            "passatk: model fake, backend fake (fake 1), float32 on cpu",
            "passatk: fake: 3 problems × 4 samples, temperature 1, at most tokens 512, seed 0",
        ]
    )
