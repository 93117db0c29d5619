"""Verifiers: pure, total functions that find answers in completions."""
