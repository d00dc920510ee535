"""The control API under /_local."""
