"""Benchmarks: sessctl and a named peer, interleaved on the same data; `tests/bench/run`."""
