"""Benchmarks: what otmel's kernels, search and store take, each with the plain way measured beside it."""
