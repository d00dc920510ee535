"""`ultraviolet secrets rotate`: the new key decrypts everything, the old key nothing."""

import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ultraviolet.cli.commands import secrets as commands_secrets
from ultraviolet.db.database import Database
from ultraviolet.errors import InvalidError
from ultraviolet.hub.core.encryption import SecretBox, SecretKeyError
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration

NEW = NewIntegration("plant", "http://127.0.0.1:9", "http://127.0.0.1:9", "id", "secret-of-ion")


def settings(data: Path, store_url: str, **more: Any) -> Settings:
    return Settings(data=data, database_url=store_url, public_url="", **more)


def store_secrets(store_url: str, secrets: SecretBox) -> None:
    database = Database.open(store_url)

    def work(connection: Any) -> None:
        made = integrations.create(connection, secrets, "test", NEW)
        url, _ = webhook_urls.create_url(connection, "test", made.id, "ION")
        webhook_urls.set_receiver(
            connection, secrets, "test", url.id, receiver_id="1", shared_secret="shared with ION"
        )

    database.write_now(work)
    database.close()


def decrypt(store_url: str, secrets: SecretBox) -> tuple[str, str | None]:
    """Return the secrets that a hub with these keys decrypts."""
    database = Database.open(store_url)
    try:
        return database.read_now(
            lambda c: (
                integrations.credentials(c, secrets, 1).client_secret,
                next(iter(webhook_urls.active_urls(c, secrets).values())).shared_secret,
            )
        )
    finally:
        database.close()


def rotate(data: Path, store_url: str, **environment: str) -> None:
    env = {"ULTRAVIOLET_DATABASE_URL": store_url, **environment}
    done = CliRunner().invoke(commands_secrets.app, ["rotate", "--data", str(data)], env=env)
    if done.exception:
        raise done.exception


def test_key_in_the_file_is_replaced(tmp_path: Path, store_url: str) -> None:
    before = SecretBox.from_settings(settings(tmp_path, store_url))
    store_secrets(store_url, before)

    rotate(tmp_path, store_url)

    after = SecretBox.from_settings(settings(tmp_path, store_url))
    assert decrypt(store_url, after) == ("secret-of-ion", "shared with ION")
    with pytest.raises(SecretKeyError):
        decrypt(store_url, before)
    file = tmp_path / "secret.key"
    assert len(file.read_text().split()) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_key_of_the_environment_is_replaced_if_the_old_key_is_given(
    tmp_path: Path, store_url: str
) -> None:
    old, new = "an old key of sixteen", "a new key of sixteen"
    store_secrets(store_url, SecretBox.from_text(old))
    with pytest.raises(InvalidError, match="ULTRAVIOLET_OLD_SECRET_KEY"):
        rotate(tmp_path, store_url, ULTRAVIOLET_SECRET_KEY=new)

    rotate(tmp_path, store_url, ULTRAVIOLET_SECRET_KEY=new, ULTRAVIOLET_OLD_SECRET_KEY=old)

    assert decrypt(store_url, SecretBox.from_text(new)) == ("secret-of-ion", "shared with ION")
