"""Benchmarks with budgets and baselines. Run them with `python -m bench`."""
