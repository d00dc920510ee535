"""`ultraviolet ion`: the local ION as a process, and its contract."""

from pathlib import Path

import typer

app = typer.Typer(no_args_is_help=True, help="Run a local ION, print its schema.")


@app.command()
def serve(
    *,
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8100, help="Port to listen on."),
    data: Path = typer.Option(Path("local-ion-data"), help="Directory of the local ION's database."),
    size: str = typer.Option(
        "small", help="Size of the plant: small, medium, large, or a number of objects."
    ),
    seed: int = typer.Option(1, help="The same seed makes the same plant."),
    changes_per_second: float = typer.Option(0.0, min=0, help="How busy the plant is."),
    no_quirk: list[str] | None = typer.Option(None, help="Switch off one of ION's known quirks; repeatable."),
    token_lifetime: int = typer.Option(300, min=1, help="Seconds an access token lives."),
    plant: bool = typer.Option(True, help="Fill an empty ION with a simulated company."),
) -> None:
    """Run a local ION: OAuth, GraphQL, webhooks, query runner, simulated plant.

    Credentials come from ION_CLIENT_ID and ION_CLIENT_SECRET; without them they are created and printed once.
    """
    from ultraviolet.local_ion import server

    server.serve(
        server.ServeOptions(
            host=host,
            port=port,
            data=data,
            size=size,
            seed=seed,
            changes_per_second=changes_per_second,
            no_quirk=tuple(no_quirk or ()),
            token_lifetime=token_lifetime,
            plant=plant,
        )
    )


@app.command()
def sdl() -> None:
    """Print the complete GraphQL schema of ION as Ultraviolet knows it."""
    from ultraviolet.ion import catalog

    typer.echo(catalog.load().sdl())
