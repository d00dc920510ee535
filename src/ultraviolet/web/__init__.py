"""The HTTP edge of the hub: deliveries, API, pages."""
