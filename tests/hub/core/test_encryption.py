"""Encryption of stored secrets, the key file and token hashes."""

import re
import stat
from pathlib import Path

import msgspec
import pytest

from ultraviolet.errors import InvalidError
from ultraviolet.hub.core.encryption import (
    SecretBox,
    SecretKeyError,
    delete_old_keys,
    hash_token,
    new_token,
    prepend_new_key,
)


class Settings(msgspec.Struct, frozen=True):
    data: Path
    secret_key: str | None = None
    old_secret_key: str | None = None


def test_encrypted_text_decrypts_and_differs_each_time() -> None:
    secrets = SecretBox.from_text("a key of sixteen characters")
    assert secrets.decrypt(secrets.encrypt("grün")) == "grün"
    assert secrets.encrypt("grün") != secrets.encrypt("grün")
    assert b"gr" not in secrets.encrypt("gr")[12:]


@pytest.mark.parametrize("encrypted", [b"", b"short", b"x" * 64])
def test_decrypt_refuses_text_of_another_key(encrypted: bytes) -> None:
    secrets = SecretBox.from_text("a key of sixteen characters")
    foreign = encrypted or SecretBox.from_text("another key of sixteen characters").encrypt("x")
    with pytest.raises(SecretKeyError, match="ULTRAVIOLET_SECRET_KEY"):
        secrets.decrypt(foreign)


def test_key_file_is_created_once_and_private(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "new")
    encrypted = SecretBox.from_settings(settings).encrypt("kept")
    assert stat.S_IMODE((tmp_path / "new" / "secret.key").stat().st_mode) == 0o600
    assert SecretBox.from_settings(settings).decrypt(encrypted) == "kept"


def test_configured_key_precedes_key_file(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "0123456789abcdef")
    encrypted = SecretBox.from_settings(settings).encrypt("kept")
    assert SecretBox.from_text("0123456789abcdef").decrypt(encrypted) == "kept"
    assert list(tmp_path.iterdir()) == []


def test_key_file_that_fits_is_suggested_instead_of_the_configured_key(tmp_path: Path) -> None:
    encrypted = SecretBox.from_settings(Settings(tmp_path)).encrypt("kept")
    foreign = SecretBox.from_text("a key of sixteen characters").encrypt("kept")
    configured = SecretBox.from_settings(Settings(tmp_path, "0123456789abcdef"))
    file = re.escape(str(tmp_path / "secret.key"))
    with pytest.raises(SecretKeyError, match=f"{file} does; unset ULTRAVIOLET_SECRET_KEY"):
        configured.decrypt(encrypted)
    with pytest.raises(SecretKeyError, match="start the hub with its ULTRAVIOLET_SECRET_KEY"):
        configured.decrypt(foreign)


def test_short_key_is_refused() -> None:
    with pytest.raises(InvalidError, match="at least 16 characters"):
        SecretBox.from_text("short")


def test_tokens_are_unique_and_their_hash_hides_them() -> None:
    token = new_token("uvh")
    assert token.startswith("uvh_")
    assert new_token("uvh") != token
    assert len(hash_token(token)) == 32


def test_old_key_decrypts_and_new_key_encrypts(tmp_path: Path) -> None:
    old, new = "0123456789abcdef", "fedcba9876543210"
    encrypted = SecretBox.from_text(old).encrypt("kept")

    both = SecretBox.from_settings(Settings(tmp_path, new, old))

    assert both.decrypt(encrypted) == "kept"
    assert SecretBox.from_text(new).decrypt(both.encrypt("kept")) == "kept"


def test_rotated_key_file_decrypts_until_old_keys_are_deleted(tmp_path: Path) -> None:
    settings, key_file = Settings(tmp_path), tmp_path / "secret.key"
    encrypted = SecretBox.from_settings(settings).encrypt("kept")

    prepend_new_key(key_file)
    assert SecretBox.from_settings(settings).decrypt(encrypted) == "kept"
    renewed = SecretBox.from_settings(settings).encrypt("kept")
    delete_old_keys(key_file)

    assert SecretBox.from_settings(settings).decrypt(renewed) == "kept"
    with pytest.raises(SecretKeyError):
        SecretBox.from_settings(settings).decrypt(encrypted)


def test_empty_key_file_is_reported_and_kept(tmp_path: Path) -> None:
    (tmp_path / "secret.key").touch()

    with pytest.raises(InvalidError, match="restore the key from a backup"):
        SecretBox.from_settings(Settings(tmp_path))

    assert [tmp_path / "secret.key"] == list(tmp_path.iterdir())
