"""What the buttons on a company mean: check, record the wish in one transaction, poke a worker."""
