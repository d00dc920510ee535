"""Measurements of the budgets: each figure beside a baseline of the same run. Run it as `python -m bench`."""
