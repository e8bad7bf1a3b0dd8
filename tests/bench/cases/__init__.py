"""One module a case; `run(bench)` measures and reports."""
