"""Comparing two measurements of the same problems; standard library, numpy and the core only."""
