"""An append-only file in memory for libraries that write files piece by piece."""

import io
from typing import Any


class ByteSink(io.RawIOBase):
    """A file that cannot seek; its written bytes are removed as they are read."""

    def __init__(self) -> None:
        """Begin an empty file."""
        self._chunks: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Append bytes and return their number."""
        self._chunks.append(bytes(data))
        self._length += len(data)
        return len(data)

    def tell(self) -> int:
        """Return the length of the file, including the bytes that were taken."""
        return self._length

    def take_written(self) -> bytes:
        """Return the bytes written since the last call."""
        written, self._chunks = b"".join(self._chunks), []
        return written
