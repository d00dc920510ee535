"""The truth the hub keeps: objects, their history, what is stale, and the one door that changes them."""
