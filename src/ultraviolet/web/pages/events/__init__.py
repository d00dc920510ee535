"""Pages of events: the live list with its filters, one event, and replay."""
