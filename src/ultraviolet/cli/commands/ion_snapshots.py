"""`ultraviolet ion snapshot`, `restore` and `reset`: states of a running local ION."""

import typer

from ultraviolet.characters import escape_controls
from ultraviolet.cli.support import local_ion_client
from ultraviolet.cli.support.local_ion_client import URL

NAME = typer.Argument("default", help="Name of the snapshot.")


def snapshot(name: str = NAME, *, url: str = URL) -> None:
    """Keep the state of a running local ION under a name.

    Examples: `ultraviolet ion snapshot`, `ultraviolet ion snapshot before-import`
    """
    kept = local_ion_client.call_control_api(url, "/_local/snapshot", {"name": name})
    typer.echo(escape_controls(f"{kept['name']}: {kept['bytes']:,} bytes kept"))


def restore(name: str = NAME, *, url: str = URL) -> None:
    """Bring back a state that was kept; what happened since is gone.

    Example: `ultraviolet ion restore before-import`
    """
    local_ion_client.call_control_api(url, "/_local/restore", {"name": name})
    typer.echo(escape_controls(f"Back to {name}"))


def reset(
    *,
    empty: bool = typer.Option(False, "--empty", help="To an ION without a plant; API keys stay."),
    url: str = URL,
) -> None:
    """Go back to the plant as it was set up, or to an empty ION; what happened since is gone.

    Examples: `ultraviolet ion reset`, `ultraviolet ion reset --empty`
    """
    wanted = "empty" if empty else "plant"
    local_ion_client.call_control_api(url, "/_local/reset", {"to": wanted})
    typer.echo(f"Back to {'an empty ION' if empty else 'the plant as set up'}")
