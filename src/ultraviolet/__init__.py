"""Ultraviolet: a complete, fresh and provable copy of First Resonance ION, and a local ION."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ultraviolet.client import Client

__version__ = "0.1.0"
__all__ = ["Client", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the client on first use, because the command line does not need it."""
    if name == "Client":
        from ultraviolet.client import Client  # noqa: PLC0415

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
