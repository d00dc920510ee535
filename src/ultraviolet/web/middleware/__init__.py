"""Middleware: authentication, rate limits, idempotency, ETags, path prefix, request log."""
