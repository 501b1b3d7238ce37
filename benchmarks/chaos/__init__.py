"""`python -m benchmarks.chaos`: the promises R1 to R7 under faults, kills and wipes, beside a naive control."""
