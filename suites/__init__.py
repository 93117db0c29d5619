"""Benchmarks: one folder a suite, with its file, its rows and a README."""
