"""The control API of the local ION."""
