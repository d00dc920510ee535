"""The command line: the processes themselves, and nouns and verbs over the hub's API."""

from ultraviolet.cli.app import main

__all__ = ["main"]
