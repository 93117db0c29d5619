"""Tests run pytest inside of pytest."""

pytest_plugins = ["pytester"]
