"""What `ultraviolet ion` prints."""

from pathlib import Path

import graphql
import pytest

from ultraviolet.cli import ion
from ultraviolet.errors import InvalidError
from ultraviolet.ion import catalog
from ultraviolet.local_ion.schema import unserved_mutations

DOCUMENT = Path(__file__).parents[2] / "docs/ion-compatibility.md"


def test_sdl_is_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    ion.sdl()

    schema = graphql.build_schema(capsys.readouterr().out)
    assert schema.query_type is not None
    assert "purchaseOrders" in schema.query_type.fields


def test_the_document_lists_the_mutations_that_are_not_served() -> None:
    document = DOCUMENT.read_text()

    written = ion.with_list(document, unserved_mutations(catalog.load()))
    assert written == document, "run: ultraviolet ion unserved --write docs/ion-compatibility.md"


def test_a_list_replaces_the_one_before() -> None:
    document = f"before\n{ion.BEGIN}\n{ion.END}\nafter"
    once = ion.with_list(document, ["a", "b"])

    assert ion.with_list(once, ["c"]) == ion.with_list(document, ["c"])
    assert "- `c`" in ion.with_list(once, ["c"])


def test_a_document_without_a_place_is_refused() -> None:
    with pytest.raises(InvalidError):
        ion.with_list("nothing", ["a"])
