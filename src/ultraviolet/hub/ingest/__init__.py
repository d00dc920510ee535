"""Webhook ingest: URLs, signatures, group commit, spool, counters and event files."""
