"""`ultraviolet ion sdl` and `compatibility`."""

from pathlib import Path

import graphql
import pytest

from ultraviolet.cli.commands import ion
from ultraviolet.errors import InvalidError
from ultraviolet.ion import catalog
from ultraviolet.local_ion import compatibility

DOCUMENT = Path(__file__).parents[3] / "docs/ion-compatibility.md"


def test_sdl_prints_a_valid_schema(capsys: pytest.CaptureFixture[str]) -> None:
    ion.sdl()

    schema = graphql.build_schema(capsys.readouterr().out)
    assert schema.query_type is not None
    assert "purchaseOrders" in schema.query_type.fields


def test_compatibility_document_is_up_to_date() -> None:
    document = DOCUMENT.read_text()

    written = ion.with_tables(document, compatibility.tables(catalog.load_catalog()))
    assert written == document, (
        "run: ultraviolet ion compatibility --write docs/ion-compatibility.md"
    )


def test_new_tables_replace_old_tables() -> None:
    document = f"before\n{ion.TABLES_BEGIN}\n{ion.TABLES_END}\nafter"
    once = ion.with_tables(document, "a")

    assert ion.with_tables(document, "b") == ion.with_tables(once, "b")


def test_document_without_markers_is_rejected() -> None:
    with pytest.raises(InvalidError):
        ion.with_tables("nothing", "a")
