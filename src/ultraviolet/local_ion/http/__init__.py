"""The HTTP application of the local ION."""
