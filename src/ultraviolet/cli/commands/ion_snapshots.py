"""`ultraviolet ion snapshot`, `restore` and `reset`: save and restore a local ION."""

import typer

from ultraviolet.characters import escape_controls
from ultraviolet.cli.support import local_ion_client
from ultraviolet.cli.support.local_ion_client import URL

NAME = typer.Argument("default", help="Name of the snapshot.")


def snapshot(name: str = NAME, *, url: str = URL) -> None:
    """Save the state of a running local ION under a name.

    Examples: `ultraviolet ion snapshot`, `ultraviolet ion snapshot before-import`
    """
    saved = local_ion_client.call_control_api(url, "/_local/snapshot", {"name": name})
    typer.echo(escape_controls(f"Saved “{saved['name']}”, {saved['bytes']:,} bytes."))


def restore(name: str = NAME, *, url: str = URL) -> None:
    """Restore a saved state; later changes are lost.

    Example: `ultraviolet ion restore before-import`
    """
    local_ion_client.call_control_api(url, "/_local/restore", {"name": name})
    typer.echo(escape_controls(f"Restored “{name}”."))


def reset(
    *,
    empty: bool = typer.Option(False, "--empty", help="Delete the plant too; API keys are kept."),
    url: str = URL,
) -> None:
    """Reset to the initial plant, or to an empty local ION; later changes are lost.

    Examples: `ultraviolet ion reset`, `ultraviolet ion reset --empty`
    """
    target = "empty" if empty else "plant"
    local_ion_client.call_control_api(url, "/_local/reset", {"to": target})
    typer.echo(f"Reset to {'an empty local ION' if empty else 'the initial plant'}.")
