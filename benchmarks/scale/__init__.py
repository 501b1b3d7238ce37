"""`python -m benchmarks.scale`: web on one host, workers on two others, one of which is cut off in the middle."""
