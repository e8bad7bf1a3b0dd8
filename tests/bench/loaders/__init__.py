"""Makers of the benchmarks' data, run as `python -m`; deterministic, standard library only."""
