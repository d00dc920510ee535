"""A local ION for tests: `from ultraviolet.testing import running_local_ion`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ultraviolet.testing.local_ion_process import (
        TOKEN_PATH,
        LocalIonProcess,
        RefusedError,
        running_local_ion,
    )

__all__ = ["TOKEN_PATH", "LocalIonProcess", "RefusedError", "running_local_ion"]


def __getattr__(name: str) -> Any:
    """Load the process helpers on use, so that the pytest plugin loads nothing."""
    if name in __all__:
        from ultraviolet.testing import local_ion_process  # noqa: PLC0415

        return getattr(local_ion_process, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
