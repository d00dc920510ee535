"""The mirror: current copies of ION's objects, their history, stale marks, drift and statistics."""
