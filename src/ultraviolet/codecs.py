"""Build msgspec's decoders of all Struct types before threads start.

msgspec builds a decoder when a type is first decoded. Before release 0.23, threads that decoded a
new type concurrently crashed the process.
"""

import threading
from collections.abc import Iterator
from contextlib import suppress
from weakref import WeakSet

import msgspec

DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""The errors of msgspec for bytes that are not the expected JSON, also if they are nested deeply."""

_lock = threading.Lock()
_prepared: "WeakSet[type[msgspec.Struct]]" = WeakSet()


def prepare_codecs() -> None:
    """Build the decoders of all Struct types defined so far, each once."""
    with _lock:
        for kind in list_unprepared():
            with suppress(TypeError, NameError):  # a type that JSON cannot express
                msgspec.json.Decoder(kind)
            _prepared.add(kind)


def list_unprepared() -> list[type[msgspec.Struct]]:
    """Return the Struct types without a prepared decoder."""
    return [kind for kind in _subclasses(msgspec.Struct) if kind not in _prepared]


def _subclasses(parent: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from _subclasses(kind)
