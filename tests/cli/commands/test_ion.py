"""What `ultraviolet ion` prints."""

from pathlib import Path

import graphql
import pytest

from ultraviolet.cli.commands import ion
from ultraviolet.errors import InvalidError
from ultraviolet.ion import catalog
from ultraviolet.local_ion import compatibility

DOCUMENT = Path(__file__).parents[3] / "docs/ion-compatibility.md"


def test_sdl_is_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    ion.sdl()

    schema = graphql.build_schema(capsys.readouterr().out)
    assert schema.query_type is not None
    assert "purchaseOrders" in schema.query_type.fields


def test_the_document_has_the_state_of_every_root_field() -> None:
    document = DOCUMENT.read_text()

    written = ion.with_tables(document, compatibility.tables(catalog.load_catalog()))
    assert written == document, (
        "run: ultraviolet ion compatibility --write docs/ion-compatibility.md"
    )


def test_tables_replace_those_before() -> None:
    document = f"before\n{ion.BEGIN}\n{ion.END}\nafter"
    once = ion.with_tables(document, "a")

    assert ion.with_tables(document, "b") == ion.with_tables(once, "b")


def test_a_document_without_a_place_is_refused() -> None:
    with pytest.raises(InvalidError):
        ion.with_tables("nothing", "a")
