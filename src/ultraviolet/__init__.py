"""Ultraviolet: a complete, fresh and provable copy of First Resonance ION, and a local ION."""

__version__ = "0.1.0"
