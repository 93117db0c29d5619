"""Hooks on live runtimes: the steps of a batch as a patch sees them."""
