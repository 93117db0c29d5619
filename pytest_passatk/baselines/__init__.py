"""Baselines: measurements as text files that are reviewed and kept with the code."""
