"""Secrets: what must be read again is encrypted, what must only be recognised is kept as a hash."""

import hashlib
import os
import secrets
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


class SecretSettings(Protocol):
    """The settings that say where the secret key is."""

    @property
    def secret_key(self) -> str | None:
        """The key itself, from ULTRAVIOLET_SECRET_KEY or its _FILE variant."""
        ...

    @property
    def data(self) -> Path:
        """The folder that holds `secret.key` when no key is set."""
        ...


class Secrets:
    """Encrypts and decrypts what the hub keeps for others, such as ION's credentials (AES-256-GCM)."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Make the key from any text of 16 characters or more."""
        if len(text.strip()) < _SHORTEST_KEY:
            raise InvalidError(
                "The secret key is too short: use 16 characters or more, best `openssl rand -hex 32`"
            )
        return cls(hashlib.sha256(text.strip().encode()).digest())

    @classmethod
    def from_settings(cls, settings: SecretSettings) -> Self:
        """Take the key that is set, else the one in the data folder, which is made on first use."""
        if settings.secret_key:
            return cls.from_text(settings.secret_key)
        return cls.from_text(_key_file(settings.data / "secret.key"))

    def seal(self, text: str) -> bytes:
        """Encrypt; the same text never looks the same twice."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, text.encode(), None)

    def open(self, sealed: bytes) -> str:
        """Decrypt; raises SecretKeyError when this key did not seal it."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], None).decode()
        except (InvalidTag, ValueError) as error:
            raise SecretKeyError(SecretKeyError.__doc__) from error


def new_token(prefix: str, nbytes: int = 32) -> str:
    """Make an unguessable token; the prefix tells people and scanners what it is."""
    return f"{prefix}_{secrets.token_urlsafe(nbytes)}"


def digest(token: str) -> bytes:
    """Give what is stored of a token: enough to recognise it, not to use it."""
    return hashlib.sha256(token.encode()).digest()


def _key_file(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return path.read_text()
