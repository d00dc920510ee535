"""Webhook ingest: URLs, signatures, group commit, spool, counters, event files."""
