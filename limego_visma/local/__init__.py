"""The whole product on one machine: `python -m limego_visma.local` is what `make run` does."""
