"""The whole product on one machine: `python -m dev.launcher` is what `make run` does."""

import limego_visma as limego_visma  # before anything else: it says in a sentence what Windows lacks
