"""What runs in a hub process: controllers, the scheduler, leases, retention, indexing."""
