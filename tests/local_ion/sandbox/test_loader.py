"""A local ION with the objects of a mirror."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion
from tests.local_ion.sandbox.ion_mirror import KIT_FIELDS, IonMirror, read_documents

from ultraviolet.errors import ConflictError, InvalidError
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.local_ion.auth.viewers import Credentials, ensure_first_key
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.plant.simulator import SetupMarker
from ultraviolet.local_ion.sandbox.document_masking import DocumentMask
from ultraviolet.local_ion.sandbox.loader import Loaded, copy_into, load_into
from ultraviolet.local_ion.sandbox.text_masking import TextMask

CATALOG = load_catalog()


@pytest.fixture
def load(tmp_path: Path, mirror: IonMirror) -> Iterator[Any]:
    """Load the mirror and open the local ION."""
    opened: list[Ion] = []

    def load(mask: DocumentMask | None = None) -> tuple[Loaded, Ion]:
        loaded = load_into(tmp_path / "ion", mirror, mask)
        opened.append(Ion(tmp_path / "ion"))
        return loaded, opened[-1]

    yield load
    for ion in opened:
        ion.ion.close()


def without_etags(documents: Any) -> Any:
    """Return documents without the ids of attributes, which a mirror does not need."""
    for found in documents.values():
        for document in found:
            for attribute in document.get("attributes", {}).values():
                attribute.pop("id", None)
    return documents


def test_all_objects_and_computed_fields_are_equal(mirror: IonMirror, load: Any) -> None:
    loaded, ion = load()

    found = without_etags(read_documents(ion.ion))
    expected = without_etags(mirror.documents)
    different: Counter[str] = Counter()
    for name, documents in expected.items():
        assert [one["id"] for one in found[name]] == [one["id"] for one in documents]
        for one, other in zip(documents, found[name], strict=True):
            assert one.keys() == other.keys()
            different.update(f"{name}.{key}" for key in one if one[key] != other[key])
    # the contents of the plant's kit, which has one item from one inventory
    assert different == dict.fromkeys(KIT_FIELDS, 1)
    assert loaded.total == sum(mirror.counts.values())
    assert (loaded.rejected, loaded.unreadable, loaded.missing, loaded.notes) == ({}, {}, {}, [])
    assert "part_kit_inventories" in loaded.not_mirrored


def test_new_objects_continue_after_the_ids(mirror: IonMirror, load: Any) -> None:
    _, ion = load()
    last = max(part["id"] for part in mirror.documents["parts"])

    made = ion.create("Part", "id attributes { key }", partNumber="new", description="new")

    assert int(made["id"]) == last + 1
    assert {row["key"] for row in made["attributes"]} == {"Drawing"}


def test_administrator_can_sign_in_and_change_everything(mirror: IonMirror, load: Any) -> None:
    mirror.documents["users"] = [
        {**user, "id": user["id"] + 100, "isAdmin": user["id"] == 2}
        for user in mirror.documents["users"]
    ]
    mirror.documents["roles"] = []
    _, ion = load()

    ensure_first_key(ion.ion.store, Credentials("id", "secret"))
    database = ion.ion.store.connection
    assert database.execute("SELECT permissions FROM api_keys").fetchall() == [(None,)]
    users = ion.list_all("users", "isAdmin", id={"in": [1, 102, 103]})
    assert [user["isAdmin"] for user in users] == [True, True, False]


def test_deactivated_first_user_is_activated_and_reported(mirror: IonMirror, load: Any) -> None:
    mirror.documents["users"][0]["deactivated"] = True
    loaded, _ = load()

    assert loaded.notes == ["User 1 was activated, because the API key needs an administrator."]


def test_relations_that_only_computed_fields_show_are_loaded(mirror: IonMirror, load: Any) -> None:
    procedure = mirror.documents["procedures"][0]
    label = mirror.documents["labels"][0]["value"]
    procedure["labels"] = [label]
    steps = [s for s in mirror.documents["run_steps"] if s["upstreamStepIds"]]
    _, ion = load(DocumentMask(CATALOG, TextMask("k")))

    found = ion.get("procedure", procedure["id"], "labels")
    assert found["labels"] == [TextMask("k").text(label)]
    assert steps
    step = ion.get("runStep", steps[0]["id"], "upstreamStepIds")
    assert sorted(step["upstreamStepIds"]) == sorted(steps[0]["upstreamStepIds"])


def test_incomplete_and_unusual_documents_are_loaded_and_reported(
    mirror: IonMirror, load: Any
) -> None:
    lines, parts = mirror.documents["purchase_order_lines"], mirror.documents["parts"]
    lines[0] |= {"partId": 999_999, "quantity": "many"}
    lines[1]["cost"] = 10**400
    lines[2] = {"id": lines[2]["id"]}
    parts.append({**parts[0], "id": 888_888, "entityId": 777_777})
    mirror.documents["suppliers"][0]["fileAttachments"] = [
        {"id": 5, "filename": "drawing.pdf", "contentType": "application/pdf"}
    ]
    mirror.documents["labels"].append({"id": "not a number", "value": "x"})
    loaded, ion = load()

    assert loaded.missing == {"purchase_order_lines.part_id": 1}
    assert loaded.unreadable == {
        "purchase_order_lines.quantity": 1,
        "purchase_order_lines.cost": 1,
        "labels.id": 2,
    }
    assert loaded.rejected == {"parts": 1}
    assert loaded.files == 1
    line = ion.get("purchaseOrderLine", lines[0]["id"], "partId part { id } quantity")
    assert line == {"partId": 999_999, "part": None, "quantity": None}
    supplier = mirror.documents["suppliers"][0]["id"]
    files = ion.get("supplier", supplier, "fileAttachments { filename }")["fileAttachments"]
    assert files == [{"filename": "drawing.pdf"}]


def test_masked_database_contains_no_original(tmp_path: Path, mirror: IonMirror, load: Any) -> None:
    texts = {
        value
        for name, field in (
            ("users", "name"),
            ("users", "email"),
            ("suppliers", "name"),
            ("parts", "description"),
            ("issues", "title"),
            ("labels", "value"),
        )
        for document in mirror.documents[name]
        if len(value := str(document[field])) > 6 and value != "Ada Admin"
    }
    costs = [part["cost"] or 0 for part in mirror.documents["parts"]]
    prices = {str(cost) for cost in costs if cost > 1_000}
    load(DocumentMask(CATALOG, TextMask()))

    content = b"".join(file.read_bytes() for file in (tmp_path / "ion").glob("ion.db*"))
    lowered = content.decode("utf-8", "replace").lower()
    assert len(texts) > 50
    assert [text for text in texts if text.lower() in lowered] == []
    with closing(sqlite3.connect(tmp_path / "ion/ion.db")) as database:
        dump = "\n".join(database.iterdump())
    assert prices
    assert [price for price in prices if price in dump] == []


def test_existing_data_is_kept(tmp_path: Path, mirror: IonMirror, load: Any) -> None:
    load()
    with pytest.raises(ConflictError, match="exists already"):
        load_into(tmp_path / "ion", mirror, None)


def test_failed_load_leaves_nothing(tmp_path: Path, mirror: IonMirror) -> None:
    del mirror.documents["parts"]
    mirror.__dict__["counts"] = {"parts": 1}
    with pytest.raises(KeyError):
        load_into(tmp_path / "ion", mirror, None)

    assert list((tmp_path / "ion").iterdir()) == []


def test_copy_of_a_database_is_a_local_ion(tmp_path: Path, load: Any) -> None:
    load()
    copy_into(tmp_path / "copy", tmp_path / "ion/ion.db")
    ion = LocalIon(tmp_path / "copy")

    assert ion.store.connection.execute("SELECT count(*) FROM parts").fetchone()[0] > 0
    assert SetupMarker(tmp_path / "copy").finished
    ion.close()


def test_files_of_other_programs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is not a database, but a text of some length")
    for name in ("text.db", "missing.db"):
        with pytest.raises(InvalidError, match="not the database of a local ION"):
            copy_into(tmp_path / "copy", tmp_path / name)
