"""What the product does: connect to ION, take deliveries, heal, fetch, verify, and say who may do what."""
