"""Sync: apply events, heal, fetch, verify and replay."""
