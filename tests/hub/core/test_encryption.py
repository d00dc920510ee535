"""Secrets can be read again with their key only, and look different each time."""

import stat
from pathlib import Path

import msgspec
import pytest

from ultraviolet.errors import InvalidError
from ultraviolet.hub.core.encryption import SecretBox, SecretKeyError, hash_token, new_token


class Settings(msgspec.Struct, frozen=True):
    data: Path
    secret_key: str | None = None
    old_secret_key: str | None = None


def test_what_is_sealed_opens_again_and_never_looks_the_same() -> None:
    secrets = SecretBox.from_text("a key of sixteen characters")
    assert secrets.decrypt(secrets.encrypt("grün")) == "grün"
    assert secrets.encrypt("grün") != secrets.encrypt("grün")
    assert b"gr" not in secrets.encrypt("gr")[12:]


@pytest.mark.parametrize("sealed", [b"", b"short", b"x" * 64])
def test_what_another_key_sealed_does_not_open(sealed: bytes) -> None:
    secrets = SecretBox.from_text("a key of sixteen characters")
    foreign = sealed or SecretBox.from_text("another key of sixteen characters").seal("x")
    with pytest.raises(SecretKeyError, match="ULTRAVIOLET_SECRET_KEY"):
        secrets.decrypt(foreign)


def test_the_key_file_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "new")
    sealed = SecretBox.from_settings(settings).seal("kept")
    assert stat.S_IMODE((tmp_path / "new" / "secret.key").stat().st_mode) == 0o600
    assert SecretBox.from_settings(settings).open(sealed) == "kept"


def test_a_key_that_is_set_wins_over_the_file(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "0123456789abcdef")
    assert (
        SecretBox.from_text("0123456789abcdef").open(SecretBox.from_settings(settings).seal("kept"))
        == "kept"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_short_key_is_refused() -> None:
    with pytest.raises(InvalidError, match="too short"):
        SecretBox.from_text("short")


def test_tokens_are_unique_and_their_digest_does_not_show_them() -> None:
    token = new_token("uvh")
    assert token.startswith("uvh_")
    assert new_token("uvh") != token
    assert len(hash_token(token)) == 32


def test_an_older_key_still_opens_and_the_newest_seals(tmp_path: Path) -> None:
    old, new = "0123456789abcdef", "fedcba9876543210"
    sealed = SecretBox.from_text(old).seal("kept")

    both = SecretBox.from_settings(Settings(tmp_path, new, old))

    assert both.open(sealed) == "kept"
    assert SecretBox.from_text(new).open(both.seal("kept")) == "kept"


def test_an_empty_key_file_is_said_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "secret.key").touch()

    with pytest.raises(InvalidError, match="put the key back from a backup"):
        SecretBox.from_settings(Settings(tmp_path))

    assert [tmp_path / "secret.key"] == list(tmp_path.iterdir())
