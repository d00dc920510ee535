"""What every request passes: authentication, limits, idempotency, ETags, the log."""
