"""Webhook deliveries: outbox, quirks and sender."""
