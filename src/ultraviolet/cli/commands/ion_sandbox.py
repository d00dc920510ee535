"""`ultraviolet ion load` and `--from-hub`: a local ION with the objects of a hub's mirror."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ultraviolet.characters import escape_controls
from ultraviolet.cli.support import output
from ultraviolet.cli.support.connection import DATA, HubAddress, connect
from ultraviolet.cli.support.mirror_reader import MirrorReader
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import Session
from ultraviolet.errors import InvalidError, UnauthenticatedError
from ultraviolet.files import atomic_write

if TYPE_CHECKING:
    from ultraviolet.local_ion.sandbox.document_masking import DocumentMask
    from ultraviolet.local_ion.sandbox.loader import Loaded

_KEY_HINT = "Create a key in that hub with `ultraviolet key create sandbox`."

FromHub = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Load the objects of this hub's mirror, instead of a plant."),
]
Key = Annotated[
    str | None,
    typer.Option(envvar="ULTRAVIOLET_KEY", help="API key of that hub; the role viewer suffices."),
]
Integration = Annotated[
    str | None, typer.Option(help="Name or id in that hub; optional if there is only one.")
]
Mask = Annotated[
    bool, typer.Option("--mask", help="Replace people, prices and texts; ids and dates stay.")
]
FromFile = Annotated[
    Path | None, typer.Option(help="Copy the database that `ultraviolet ion load` wrote.")
]
MaskKey = Annotated[
    str | None,
    typer.Option(
        envvar="ULTRAVIOLET_MASK_KEY",
        help="Secret of the replacements; the same secret repeats them. Default: a random one.",
    ),
]


def load(
    file: Annotated[
        Path, typer.Argument(help="Database to create, for `ion serve` with `--from-file`.")
    ],
    *,
    from_hub: Annotated[str, typer.Option(metavar="URL", help="Address of the hub.")],
    key: Key = None,
    integration: Integration = None,
    mask: Mask = False,
    mask_key: MaskKey = None,
) -> None:
    """Write the objects of a hub's mirror to a database, for `ion serve` with `--from-file`.

    The tests of another project can use a masked copy of a plant as their fixture.

    Example: `ultraviolet ion load plant.db --from-hub http://127.0.0.1:8000 --mask`
    """
    from ultraviolet.local_ion.sandbox import loader

    with open_mirror(from_hub, key, integration) as mirror:
        with loader.new_database(file) as folder:
            found = loader.load(folder, mirror, create_mask(mask=mask, mask_key=mask_key))
        report(mirror, found)


@returns("ultraviolet.local_ion.sandbox.fidelity:FidelityReport")
def compare(
    *,
    hub: Annotated[str, typer.Option(metavar="URL", help="Address of the hub.")],
    key: Key = None,
    integration: Integration = None,
    report_file: Annotated[
        Path | None, typer.Option("--report", help="Write a report without data of objects.")
    ] = None,
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Compare the fields that ION computed with the local ION's results for the same objects.

    The hub's mirror is loaded into a temporary local ION. The schema of the integration's ION is
    compared with the contract. The report contains names, states and counts, but no values.

    Example: `ultraviolet ion compare --hub http://127.0.0.1:8000 --report fidelity.md`
    """
    from ultraviolet.local_ion.sandbox import fidelity, fidelity_report

    with (
        open_mirror(hub, key, integration) as mirror,
        tempfile.TemporaryDirectory() as folder,
    ):
        found = fidelity.compare(Path(folder), mirror, mirror.ion_types())
    if report_file is not None:
        with atomic_write(report_file) as file:
            file.write(fidelity_report.as_markdown(found).encode())
        typer.echo(escape_controls(f"Wrote {report_file}."), err=True)
    if as_json:
        output.write_json(msgspec.to_builtins(found))
    elif report_file is None:
        typer.echo(fidelity_report.as_markdown(found))
    else:
        typer.echo(fidelity_report.summary(found))


def load_into(
    data: Path, url: str, *, key: str | None, integration: str | None, mask: "DocumentMask | None"
) -> None:
    """Fill the data directory of a new local ION from a hub."""
    from ultraviolet.local_ion.sandbox import loader

    with open_mirror(url, key, integration) as mirror:
        report(mirror, loader.load_into(data, mirror, mask))


@contextmanager
def open_mirror(url: str, key: str | None, integration: str | None) -> Generator[MirrorReader]:
    """Connect to the hub with this address; without a key, use that of a hub of this machine."""
    from ultraviolet.client.transport import ProblemError

    address = HubAddress(url, key, Path(os.environ.get("ULTRAVIOLET_DATA", DATA)))
    try:
        with connect(address) as api:
            session = Session(api, as_json=False)
            yield MirrorReader(session, session.integration(integration))
    except UnauthenticatedError as error:
        raise UnauthenticatedError(f"{error} {_KEY_HINT}") from error
    except ProblemError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            raise InvalidError(f"{url} is not a hub: it has no API at /api/v1.") from error
        if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            error.add_note(_KEY_HINT)
        raise


def create_mask(*, mask: bool, mask_key: str | None) -> "DocumentMask | None":
    """Return the mask of documents, if one is wanted."""
    from ultraviolet.ion.catalog import load_catalog
    from ultraviolet.local_ion.sandbox.document_masking import DocumentMask
    from ultraviolet.local_ion.sandbox.text_masking import TextMask

    return DocumentMask(load_catalog(), TextMask(mask_key)) if mask else None


def report(mirror: MirrorReader, loaded: "Loaded") -> None:
    """Print the loaded and the omitted objects on stderr."""
    masked = "masked" if loaded.masked else "not masked: people, prices and texts are the originals"
    resources = f"{len(loaded.objects)} resources, {masked}."
    lines = [f"Loaded {loaded.total:,} objects of “{mirror.integration['name']}” in {resources}"]
    if loaded.files:
        lines.append(f"{loaded.files:,} files have names but no contents.")
    if mirror.unconfirmed:
        lines.append(
            f"{mirror.unconfirmed:,} objects were stale or partial in the mirror; their content may"
            " be outdated."
        )
    for counts, text in (
        (loaded.missing, "references to objects that the mirror does not have; they are kept"),
        (loaded.unreadable, "values do not fit their field; they are null"),
        (loaded.rejected, "objects were omitted: they are not unique by the local ION's rules"),
    ):
        if counts:
            shown = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
            lines.append(f"{sum(counts.values()):,} {text}: {shown}.")
    lines.append(f"Empty, because mirrors do not have them: {', '.join(loaded.not_mirrored)}.")
    for line in [*lines, *loaded.notes]:
        typer.echo(escape_controls(line), err=True)
