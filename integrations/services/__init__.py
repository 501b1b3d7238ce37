"""What the buttons on a company do: check, write a push in one transaction, wake a worker."""
