"""Contexts: named hubs in a file of the user, so that commands need no address."""

import os
from pathlib import Path

import msgspec

from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.files import atomic_write, ensure_private_dir
from ultraviolet.text import did_you_mean

_FILE_NAME = "contexts.json"


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """A hub: an address with an API key, or a directory on this machine."""

    url: str | None = None
    key: str | None = None
    data: str | None = None

    @property
    def address(self) -> str:
        """Return the address or the directory."""
        return self.url or self.data or ""


class Contexts(msgspec.Struct):
    """All contexts of the user; `current` is the name of the current one."""

    current: str | None = None
    contexts: dict[str, Context] = {}

    def get(self, name: str) -> Context:
        """Return a context by name. Raise NotFoundError."""
        if name not in self.contexts:
            hint = did_you_mean(name, list(self.contexts))
            raise NotFoundError(
                f"No context “{name}”.{hint} List all with `ultraviolet context list`."
            )
        return self.contexts[name]

    def save(self) -> None:
        """Write the file; only the user can read it."""
        path = _path()
        ensure_private_dir(path.parent, [_FILE_NAME])
        with atomic_write(path) as file:
            file.write(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


def load() -> Contexts:
    """Load the contexts of the user. Raise InvalidError for an unreadable file."""
    path = _path()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Contexts)
    except FileNotFoundError:
        return Contexts()
    except msgspec.DecodeError as error:
        raise InvalidError(f"{path} is not valid: {error}. Correct or delete it.") from error


def _path() -> Path:
    directory = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111  works without a home
    return Path(directory) / "ultraviolet" / _FILE_NAME
