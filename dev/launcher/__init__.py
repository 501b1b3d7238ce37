"""The whole product on one machine: `python -m dev.launcher` is what `make run` does."""
