"""Build msgspec's type information of every Struct before threads start.

msgspec builds it when a type is first decoded. Several threads that decode a new type at once crashed the process
before release 0.23.
"""

import threading
from collections.abc import Iterator
from contextlib import suppress
from weakref import WeakSet

import msgspec

_lock = threading.Lock()
_prepared: "WeakSet[type[msgspec.Struct]]" = WeakSet()


def prepare_codecs() -> None:
    """Build the decoders of all Struct types that are defined now, each once."""
    with _lock:
        for kind in list_unprepared():
            with suppress(
                TypeError, NameError
            ):  # one that is never decoded, as JSON cannot express it
                msgspec.json.Decoder(kind)
            _prepared.add(kind)


def list_unprepared() -> list[type[msgspec.Struct]]:
    """Return the Struct types that were defined since they were prepared."""
    return [kind for kind in _subclasses(msgspec.Struct) if kind not in _prepared]


def _subclasses(parent: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from _subclasses(kind)
