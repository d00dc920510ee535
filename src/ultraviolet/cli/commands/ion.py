"""`ultraviolet ion`: run the local ION and print its schema."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ultraviolet.cli.commands import ion_faults, ion_sandbox, ion_snapshots
from ultraviolet.cli.commands.ion_sandbox import (
    FromFile,
    FromHub,
    Integration,
    Key,
    Mask,
    MaskKey,
)
from ultraviolet.cli.support.local_ion_client import URL
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.errors import InvalidError

TABLES_BEGIN = "<!-- written by `ultraviolet ion compatibility --write` -->"
TABLES_END = "<!-- end -->"

app = typer.Typer(no_args_is_help=True, help="Run a local ION, inject faults, print its schema.")
app.add_typer(ion_faults.app, name="fault")
app.command("snapshot")(ion_snapshots.snapshot)
app.command("restore")(ion_snapshots.restore)
app.command("reset")(ion_snapshots.reset)
app.command("load")(ion_sandbox.load)
app.command("compare")(ion_sandbox.compare)


@app.command()
def serve(
    *,
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8100, min=0, max=65_535, help="Port to listen on; 0: any free port."),
    data: Path = typer.Option(
        Path("local-ion-data"), help="Directory of the local ION's database."
    ),
    size: str = typer.Option(
        "small", help="Size of the plant: small, medium, large, or a number of objects."
    ),
    seed: int = typer.Option(1, help="Seed of the plant; the same seed creates the same plant."),
    changes_per_second: float = typer.Option(
        0.0, min=0, help="Changes that the plant makes per second."
    ),
    no_quirk: list[str] | None = typer.Option(
        None, help="Disable one of ION's known quirks; repeatable."
    ),
    api: Literal["all", "2023", "newer"] = typer.Option(
        "all", help="Version of ION's API: 2023, newer, or all of both."
    ),
    token_lifetime: int = typer.Option(300, min=1, help="Lifetime of an access token in seconds."),
    plant: bool = typer.Option(True, help="Fill an empty local ION with a simulated company."),
    tls: bool = typer.Option(
        False, "--tls", help="Serve https, with a certificate authority created in DATA/tls."
    ),
    time_limit: float = typer.Option(
        30.0,
        min=0.001,
        help="Seconds until a response that has not started becomes a 502, as at ION's gateway.",
    ),
    from_hub: FromHub = None,
    key: Key = None,
    integration: Integration = None,
    mask: Mask = False,
    mask_key: MaskKey = None,
    from_file: FromFile = None,
) -> None:
    """Run a local ION: OAuth, GraphQL, webhooks, query runner, simulated plant.

    The API key is read from ION_CLIENT_ID and ION_CLIENT_SECRET; without them, one is created and
    printed once. The address is printed and stored in DATA/local-ion.json.

    Examples: `ultraviolet ion serve`, `ultraviolet ion serve --size medium --changes-per-second 5`,
    `ultraviolet ion serve --port 0 --no-plant --tls`,
    `ultraviolet ion serve --from-hub http://127.0.0.1:8000 --data sandbox --mask`
    """
    from ultraviolet import log_config
    from ultraviolet.local_ion import server

    log_config.configure()
    server.prepare_folder(data)
    if from_hub is not None:
        if from_file is not None:
            raise InvalidError("Use either --from-hub or --from-file.")
        ion_sandbox.load_into(
            data,
            from_hub,
            key=key,
            integration=integration,
            mask=ion_sandbox.create_mask(mask=mask, mask_key=mask_key),
        )
    elif mask or integration is not None:
        raise InvalidError("--mask and --integration need --from-hub.")
    server.serve(
        server.ServeOptions(
            host=host,
            port=port,
            data=data,
            size=size,
            seed=seed,
            changes_per_second=changes_per_second,
            no_quirk=tuple(no_quirk or ()),
            api=api,
            token_lifetime=token_lifetime,
            plant=plant or from_hub is not None,
            tls=tls,
            time_limit=time_limit,
            from_file=from_file,
        )
    )


@app.command()
@returns("ultraviolet.local_ion.control.api:PlantState")
def plant(
    *,
    url: str = URL,
    changes_per_second: float | None = typer.Option(
        None, min=0, help="Changes per second; 0 stops them."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show or set the change rate of the plant of a running local ION.

    Examples: `ultraviolet ion plant`, `ultraviolet ion plant --changes-per-second 50`
    """
    from ultraviolet.cli.support import local_ion_client, output

    body = None if changes_per_second is None else {"changes_per_second": changes_per_second}
    state = local_ion_client.call_control_api(
        url, "/_local/plant", body, method="GET" if body is None else "PATCH"
    )
    if as_json:
        output.write_json(state)
    else:
        output.write_pairs(state)


@app.command()
def sdl() -> None:
    """Print the complete GraphQL schema of ION.

    Example: `ultraviolet ion sdl > ion.graphql`
    """
    from ultraviolet.ion import catalog

    typer.echo(catalog.load_catalog().sdl())


@app.command()
def compatibility(
    *,
    write: Annotated[
        Path | None, typer.Option(help="Write the tables into this document, between its markers.")
    ] = None,
) -> None:
    """Show the support of every query and mutation in the local ION, and its assumptions.

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
    """Return the document with the tables between its markers. Raise InvalidError without them."""
    before, begin, rest = document.partition(TABLES_BEGIN)
    _, end, after = rest.partition(TABLES_END)
    if not begin or not end:
        raise InvalidError(
            f"The document has no markers for the tables: {TABLES_BEGIN} … {TABLES_END}"
        )
    return f"{before}{begin}\n\n{tables}\n\n{end}{after}"
