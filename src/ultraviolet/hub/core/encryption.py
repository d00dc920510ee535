"""Encryption of stored secrets, and hashes of tokens that only need to be recognized."""

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ultraviolet.errors import InvalidError, UltravioletError

_NONCE_BYTES = 12
_MIN_KEY_CHARACTERS = 16


class SecretKeyError(UltravioletError):
    """Stored credentials cannot be decrypted; start the hub with its ULTRAVIOLET_SECRET_KEY."""

    kind = "secret-key"
    status = 500


class EncryptionSettings(Protocol):
    """The settings that locate the secret key."""

    @property
    def secret_key(self) -> str | None:
        """The key from ULTRAVIOLET_SECRET_KEY or its _FILE variant."""
        ...

    @property
    def old_secret_key(self) -> str | None:
        """The previous key, which still decrypts existing values."""
        ...

    @property
    def data(self) -> Path:
        """The folder that holds `secret.key` when no key is set."""
        ...


class SecretBox:
    """Encrypt and decrypt stored secrets, such as ION's credentials (AES-256-GCM)."""

    def __init__(self, key: bytes, *old_keys: bytes, unused_file: Path | None = None) -> None:
        """`unused_file` is a key file without effect, because a key is configured."""
        self._cipher = AESGCM(key)
        self._ciphers = [self._cipher, *map(AESGCM, old_keys)]
        self._unused_file = unused_file

    @classmethod
    def from_text(cls, text: str, *old_texts: str, unused_file: Path | None = None) -> Self:
        """Derive the keys from texts of at least 16 characters; old keys only decrypt."""
        texts = [each.strip() for each in (text, *old_texts)]
        if any(len(each) < _MIN_KEY_CHARACTERS for each in texts):
            raise InvalidError(
                f"The secret key needs at least {_MIN_KEY_CHARACTERS} characters;"
                " create one with `openssl rand -hex 32`"
            )
        keys = [hashlib.sha256(each.encode()).digest() for each in texts]
        return cls(*keys, unused_file=unused_file)

    @classmethod
    def from_settings(cls, settings: EncryptionSettings) -> Self:
        """Use the configured key, or the key file in the data folder, created on first use."""
        path = settings.data / "secret.key"
        if settings.secret_key:
            old = [settings.old_secret_key] if settings.old_secret_key else []
            return cls.from_text(settings.secret_key, *old, unused_file=path)
        return cls.from_text(*_read_key_file(path).split())

    def encrypt(self, text: str) -> bytes:
        """Return the ciphertext, with a random nonce."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), None)

    def decrypt(self, encrypted: bytes) -> str:
        """Return the text; raise SecretKeyError if no key fits."""
        nonce, ciphertext = encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:]
        for cipher in self._ciphers:
            with suppress(InvalidTag, ValueError):
                return cipher.decrypt(nonce, ciphertext, None).decode()
        if self._unused_file and _fits(self._unused_file, encrypted):
            raise SecretKeyError(
                "ULTRAVIOLET_SECRET_KEY does not decrypt the stored credentials, but the key in"
                f" {self._unused_file} does; unset ULTRAVIOLET_SECRET_KEY (or its _FILE variant) and"
                " start the hub again."
            )
        raise SecretKeyError(SecretKeyError.__doc__)


def new_token(prefix: str, nbytes: int = 32) -> str:
    """Return a random token; the prefix identifies its type to people and secret scanners."""
    return f"{prefix}_{secrets.token_urlsafe(nbytes)}"


def hash_token(token: str) -> bytes:
    """Return the hash under which a token is stored."""
    return hashlib.sha256(token.encode()).digest()


def prepend_new_key(path: Path) -> None:
    """Add a new key to the key file; the old keys continue to decrypt."""
    _replace(path, f"{secrets.token_hex(32)}\n{_read_key_file(path)}")


def delete_old_keys(path: Path) -> None:
    """Keep only the newest key in the key file."""
    _replace(path, _read_key_file(path).split()[0])


def _replace(path: Path, text: str) -> None:
    """Replace a file atomically and durably."""
    _write_temporary(path, text).replace(path)
    _sync_folder(path.parent)


def _fits(path: Path, encrypted: bytes) -> bool:
    """Return whether a key in the file, if it exists, decrypts a value."""
    try:
        SecretBox.from_text(*path.read_text().split()).decrypt(encrypted)
    except (OSError, TypeError, UltravioletError):
        return False
    return True


def _read_key_file(path: Path) -> str:
    """Return the keys in the file; create it durably if it does not exist."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _write_temporary(path, secrets.token_hex(32))
        with suppress(FileExistsError):  # another process was first
            os.link(temporary, path)
        temporary.unlink()
        _sync_folder(path.parent)
    text = path.read_text()
    if not text.strip():
        raise InvalidError(
            f"{path} is empty: restore the key from a backup; without it, the stored credentials"
            " cannot be decrypted"
        )
    return text


def _write_temporary(path: Path, text: str) -> Path:
    """Write a file beside `path`, named by this process, and sync it to disk."""
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
