"""`ultraviolet secrets rotate`: a new key for the credentials that the hub keeps."""

from pathlib import Path
from typing import Annotated

import typer

from ultraviolet.cli.support.session import DATA
from ultraviolet.errors import ConflictError, InvalidError

app = typer.Typer(no_args_is_help=True, help="The key that seals credentials: rotate.")


@app.callback()
def secrets() -> None:
    """Keep `rotate` a command of its own."""


@app.command()
def rotate(
    *,
    data: Annotated[
        Path, typer.Option(envvar="ULTRAVIOLET_DATA", help="Directory of the hub.")
    ] = DATA,
) -> None:
    """Seal all credentials with a new key.

    With the key in DATA/secret.key: stop the hub and run this; a new key is made and the old one forgotten. With
    ULTRAVIOLET_SECRET_KEY: set it to the new key and ULTRAVIOLET_OLD_SECRET_KEY to the old one, restart all
    processes, run this with the same two, then restart without the old one. Whatever interrupts it, run it again.

    Examples: `ultraviolet secrets rotate`, `ultraviolet secrets rotate --data /var/lib/ultraviolet`
    """
    from ultraviolet.cli.support.connection import find_running
    from ultraviolet.db.database import Database
    from ultraviolet.hub.core import reencryption
    from ultraviolet.hub.core.encryption import SecretBox, delete_old_keys, prepend_new_key
    from ultraviolet.hub.core.settings import Settings

    settings = Settings.from_environment(data=data, public_url="")
    of_file = settings.secret_key is None
    if of_file and find_running(data):
        raise ConflictError(f"A hub is running on {data} with the old key; stop it first.")
    if not of_file and settings.old_secret_key is None:
        raise InvalidError(
            "Set ULTRAVIOLET_SECRET_KEY to the new key and ULTRAVIOLET_OLD_SECRET_KEY to the present one, restart "
            "the hub, and run this again."
        )
    database = Database.open(settings.database_url)
    try:
        if of_file:
            prepend_new_key(settings.data / "secret.key")
        sealed = SecretBox.from_settings(settings)
        count = database.write_now(reencryption.reencrypt_all, sealed, "command line")
        if of_file:
            delete_old_keys(settings.data / "secret.key")
    finally:
        database.close()
    typer.echo(f"{count} secrets are sealed with the new key.", err=True)
