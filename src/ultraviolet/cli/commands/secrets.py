"""`ultraviolet secrets rotate`: encrypt the stored credentials with a new key."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ultraviolet.cli.support.connection import DATA, find_running, require_hub
from ultraviolet.errors import ConflictError, InvalidError

app = typer.Typer(no_args_is_help=True, help="The key that encrypts credentials: rotate.")


@app.callback()
def secrets() -> None:
    """Make `rotate` a subcommand; an app with one command would run it directly."""


@app.command()
def rotate(
    *,
    data: Annotated[
        Path, typer.Option(envvar="ULTRAVIOLET_DATA", help="Directory of the hub.")
    ] = DATA,
) -> None:
    """Encrypt all credentials with a new key.

    With the key in DATA/secret.key: stop the hub and run this command. It creates a new key and
    deletes the old one. With ULTRAVIOLET_SECRET_KEY: set it to the new key and
    ULTRAVIOLET_OLD_SECRET_KEY to the old one, restart all processes, run this command with the same
    two variables, then restart without the old key. If it is interrupted, run it again.

    Examples: `ultraviolet secrets rotate`, `ultraviolet secrets rotate --data /var/lib/ultraviolet`
    """
    from ultraviolet.db.database import Database
    from ultraviolet.hub.core import reencryption
    from ultraviolet.hub.core.encryption import SecretBox, delete_old_keys, prepend_new_key
    from ultraviolet.hub.core.settings import Settings

    require_hub(data)
    settings = Settings.from_environment(data=data, public_url="")
    in_file = settings.secret_key is None
    if in_file and find_running(data, os.environ.get("ULTRAVIOLET_DATABASE_URL")):
        raise ConflictError(f"A hub with the old key is running on {data}. Stop it first.")
    if not in_file and settings.old_secret_key is None:
        raise InvalidError(
            "Set ULTRAVIOLET_SECRET_KEY to the new key and ULTRAVIOLET_OLD_SECRET_KEY to the"
            " current one, restart the hub, and run this command again."
        )
    database = Database.open(settings.database_url)
    try:
        if in_file:
            prepend_new_key(settings.data / "secret.key")
        secret_box = SecretBox.from_settings(settings)
        count = database.write_now(reencryption.reencrypt_all, secret_box, "command line")
        if in_file:
            delete_old_keys(settings.data / "secret.key")
    finally:
        database.close()
    typer.echo(f"{count} secrets are encrypted with the new key.", err=True)
