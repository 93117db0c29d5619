"""The decode-shrink stress suite: schedules, runtimes that play them, and oracles that watch a patch meanwhile."""
