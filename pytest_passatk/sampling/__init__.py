"""Sampling: the queue between model, judges and items, and the threads that keep it moving."""
