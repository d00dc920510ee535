"""A local ION with the objects of a hub's mirror, masked on request."""
