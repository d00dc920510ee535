"""Secrets: what must be read again is encrypted, what must only be recognised is kept as a hash."""

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ultraviolet.errors import InvalidError, UltravioletError

_NONCE = 12
_SHORTEST_KEY = 16


class SecretKeyError(UltravioletError):
    """Stored credentials cannot be decrypted: start the hub with the ULTRAVIOLET_SECRET_KEY it was set up with."""

    kind = "secret-key"
    status = 500


class EncryptionSettings(Protocol):
    """The settings that say where the secret key is."""

    @property
    def secret_key(self) -> str | None:
        """The key itself, from ULTRAVIOLET_SECRET_KEY or its _FILE variant."""
        ...

    @property
    def old_secret_key(self) -> str | None:
        """The key before, which still opens what it sealed."""
        ...

    @property
    def data(self) -> Path:
        """The folder that holds `secret.key` when no key is set."""
        ...


class SecretBox:
    """Encrypts and decrypts what the hub keeps for others, such as ION's credentials (AES-256-GCM)."""

    def __init__(self, key: bytes, *older: bytes) -> None:
        self._cipher = AESGCM(key)
        self._openers = [self._cipher, *map(AESGCM, older)]

    @classmethod
    def from_text(cls, text: str, *older: str) -> Self:
        """Make the key from any text of 16 characters or more; older ones only open what they sealed."""
        if any(len(one.strip()) < _SHORTEST_KEY for one in (text, *older)):
            raise InvalidError(
                "The secret key is too short: use 16 characters or more, best `openssl rand -hex 32`"
            )
        return cls(*(hashlib.sha256(one.strip().encode()).digest() for one in (text, *older)))

    @classmethod
    def from_settings(cls, settings: EncryptionSettings) -> Self:
        """Take the key that is set, else the one in the data folder, which is made on first use."""
        if settings.secret_key:
            older = [settings.old_secret_key] if settings.old_secret_key else []
            return cls.from_text(settings.secret_key, *older)
        return cls.from_text(*_key_file(settings.data / "secret.key").split())

    def encrypt(self, text: str) -> bytes:
        """Encrypt; the same text never looks the same twice."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, text.encode(), None)

    def decrypt(self, sealed: bytes) -> str:
        """Decrypt; raises SecretKeyError when none of the keys sealed it."""
        for cipher in self._openers:
            with suppress(InvalidTag, ValueError):
                return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], None).decode()
        raise SecretKeyError(SecretKeyError.__doc__)


def new_token(prefix: str, nbytes: int = 32) -> str:
    """Make an unguessable token; the prefix tells people and scanners what it is."""
    return f"{prefix}_{secrets.token_urlsafe(nbytes)}"


def hash_token(token: str) -> bytes:
    """Return what is stored of a token: enough to recognise it, not to use it."""
    return hashlib.sha256(token.encode()).digest()


def prepend_new_key(path: Path) -> None:
    """Put a new key before the ones in the file, which still open what they sealed."""
    _replace(path, f"{secrets.token_hex(32)}\n{_key_file(path)}")


def delete_old_keys(path: Path) -> None:
    """Leave only the newest key in the file."""
    _replace(path, _key_file(path).split()[0])


def _replace(path: Path, text: str) -> None:
    """Write a file so that there is always the old one or the new one, on disk."""
    new = _written(path, text)
    new.replace(path)
    _on_disk(path.parent)


def _key_file(path: Path) -> str:
    """Read the keys in the file; where there is none, one is made, and on disk before anything is sealed with it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = _written(path, secrets.token_hex(32))
        with suppress(FileExistsError):  # another process was first
            os.link(new, path)
        new.unlink()
        _on_disk(path.parent)
    found = path.read_text()
    if not found.strip():
        raise InvalidError(
            f"{path} is empty: put the key back from a backup; nothing else opens what it sealed"
        )
    return found


def _written(path: Path, text: str) -> Path:
    """Write a file of this process alone, beside `path`."""
    new = path.with_suffix(f".{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return new


def _on_disk(folder: Path) -> None:
    """Let the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
