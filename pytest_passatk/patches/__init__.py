"""Patches of inference runtimes: a module of this package that defines `load` is found by its name."""
