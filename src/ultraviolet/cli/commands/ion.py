"""`ultraviolet ion`: the local ION as a process, and its contract."""

from pathlib import Path
from typing import Annotated

import typer

from ultraviolet.cli.commands import ion_faults, ion_snapshots
from ultraviolet.cli.support.local_ion_client import URL
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.errors import InvalidError

BEGIN = "<!-- written by `ultraviolet ion compatibility --write` -->"
END = "<!-- end -->"

app = typer.Typer(
    no_args_is_help=True, help="Run a local ION, make it fail on purpose, print its schema."
)
app.add_typer(ion_faults.app, name="fault")
app.command("snapshot")(ion_snapshots.snapshot)
app.command("restore")(ion_snapshots.restore)
app.command("reset")(ion_snapshots.reset)


@app.command()
def serve(
    *,
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(
        8100, min=0, max=65_535, help="Port to listen on; 0 takes a free one."
    ),
    data: Path = typer.Option(
        Path("local-ion-data"), help="Directory of the local ION's database."
    ),
    size: str = typer.Option(
        "small", help="Size of the plant: small, medium, large, or a number of objects."
    ),
    seed: int = typer.Option(1, help="The same seed makes the same plant."),
    changes_per_second: float = typer.Option(0.0, min=0, help="How busy the plant is."),
    no_quirk: list[str] | None = typer.Option(
        None, help="Switch off one of ION's known quirks; repeatable."
    ),
    token_lifetime: int = typer.Option(300, min=1, help="Seconds an access token lives."),
    plant: bool = typer.Option(True, help="Fill an empty ION with a simulated company."),
    tls: bool = typer.Option(
        False, "--tls", help="Serve https with a certificate of an authority made in DATA/tls."
    ),
    time_limit: float = typer.Option(
        30.0,
        min=0.001,
        help="Seconds after which an answer that has not begun is 502, as ION's gateway does.",
    ),
) -> None:
    """Run a local ION: OAuth, GraphQL, webhooks, query runner, simulated plant.

    Credentials come from ION_CLIENT_ID and ION_CLIENT_SECRET; without them they are created and printed once.
    With port 0 a free port is taken; the address is printed, and kept in DATA/local-ion.json.

    Examples: `ultraviolet ion serve`, `ultraviolet ion serve --size medium --changes-per-second 5`,
    `ultraviolet ion serve --port 0 --no-plant --tls`
    """
    from ultraviolet import log_config
    from ultraviolet.local_ion import server

    log_config.configure()
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
            tls=tls,
            time_limit=time_limit,
        )
    )


@app.command()
@returns("ultraviolet.local_ion.control.api:PlantState")
def plant(
    *,
    url: str = URL,
    changes_per_second: float | None = typer.Option(
        None, min=0, help="How busy it is to be; 0 rests."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show how busy the plant of a running local ION is, or change it.

    Examples: `ultraviolet ion plant`, `ultraviolet ion plant --changes-per-second 50`, and 0 to let it rest.
    """
    from ultraviolet.cli.support import local_ion_client, output

    wanted = None if changes_per_second is None else {"changes_per_second": changes_per_second}
    state = local_ion_client.call_control_api(
        url, "/_local/plant", wanted, method="GET" if wanted is None else "PATCH"
    )
    if as_json:
        output.write_json(state)
    else:
        output.write_pairs(state)


@app.command()
def sdl() -> None:
    """Print the complete GraphQL schema of ION as Ultraviolet knows it.

    Example: `ultraviolet ion sdl > ion.graphql`
    """
    from ultraviolet.ion import catalog

    typer.echo(catalog.load_catalog().sdl())


@app.command()
def compatibility(
    *,
    write: Annotated[
        Path | None, typer.Option(help="Put the tables into this document, between its marks.")
    ] = None,
) -> None:
    """Show the state of every query and mutation in the local ION, and every fact about ION that it assumes.

    Example: `ultraviolet ion compatibility`
    """
    from ultraviolet.ion import catalog
    from ultraviolet.local_ion import compatibility

    tables = compatibility.tables(catalog.load_catalog())
    if write is None:
        typer.echo(tables)
        return
    write.write_text(with_tables(write.read_text(), tables))


def with_tables(document: str, tables: str) -> str:
    """Replace what stands between the marks of a document."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InvalidError(f"The document has no place for the tables: {BEGIN} … {END}")
    return f"{before}{begin}\n\n{tables}\n\n{end}{after}"
