"""Import of mBOMs from rows of a table (seen in First Resonance's script; rules are assumed)."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ultraviolet.local_ion.mutations.crud import create
from ultraviolet.local_ion.mutations.handler import Handlers
from ultraviolet.local_ion.store.columns import encode_input
from ultraviolet.local_ion.store.transaction import Row, Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""
_SEPARATORS = re.compile(r"[,;|]")


class _ImportRow(msgspec.Struct):
    """A row with its place in the tree: the row of its assembly, None for a top assembly."""

    number: int
    values: Mapping[str, Any]
    part: Row
    substitutes: list[Row]
    parent: "_ImportRow | None" = None


class _RefusedRowError(Exception):
    """A row that cannot be imported."""


@MUTATIONS.handles("createOrUpdateMultipleMboms")
def _import_mboms(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Create or update the mBOM of each assembly; write nothing if a row is refused."""
    imports: list[dict[str, Any]] = args.get("input") or []
    results = [_import(tx, one) for one in imports]
    return {
        name: [x for one in results for x in one[name]]
        for name in ("errorMessages", "newMbomRowIds")
    }


def _import(tx: Transaction, given: Mapping[str, Any]) -> dict[str, list[Any]]:
    is_level = given["importerType"] == "LEVEL"
    rows: list[_ImportRow] = []
    errors: list[dict[str, Any]] = []
    by_place: dict[Any, _ImportRow] = {}
    for number, values in enumerate(
        given.get("levelInputs" if is_level else "depthInputs") or (), 1
    ):
        try:
            row = _ImportRow(
                number,
                values,
                _find_part(tx, values["partNumber"], values.get("revision")),
                [
                    _find_part(tx, name.strip(), None)
                    for name in _SEPARATORS.split(values.get("substitutes") or "")
                    if name.strip()
                ],
            )
            row.parent = _find_parent(values, by_place, is_level=is_level)
            _remember(row, by_place, is_level=is_level)
            _check(row)
        except _RefusedRowError as error:
            errors.append({"rowId": number, "errorMsg": str(error)})
            continue
        rows.append(row)
    created: list[int] = []
    if not errors:
        mboms: dict[int, int] = {}
        for row in rows:
            if row.parent is not None:
                _write_item(tx, row, row.parent, mboms, created)
    return {"errorMessages": errors, "newMbomRowIds": created}


def _find_part(tx: Transaction, number: str, revision: str | None) -> Row:
    found = tx.find("parts", "length(revision) DESC, revision DESC", part_number=number)
    for part in found:
        if not revision or part["revision"] == revision:
            return part
    shown = f"{number} revision {revision}" if revision else number
    raise _RefusedRowError(f"Part {shown} does not exist.")


def _find_parent(
    values: Mapping[str, Any], by_place: dict[Any, _ImportRow], *, is_level: bool
) -> _ImportRow | None:
    """Return the row of the assembly; None for a top assembly."""
    if is_level:
        above = str(values["level"]).strip().rpartition(".")[0]
        is_top = not above
    else:
        above = int(values["depth"]) - 1
        is_top = above < 0
    if is_top:
        return None
    if above not in by_place:
        raise _RefusedRowError("No earlier row is the assembly of this row.")
    return by_place[above]


def _remember(row: _ImportRow, by_place: dict[Any, _ImportRow], *, is_level: bool) -> None:
    if is_level:
        by_place[str(row.values["level"]).strip()] = row
        return
    depth = int(row.values["depth"])
    by_place[depth] = row
    for deeper in [place for place in by_place if place > depth]:
        del by_place[deeper]


def _check(row: _ImportRow) -> None:
    """Raise _RefusedRowError for a row of a part within itself, or without a quantity."""
    above = row.parent
    if above is not None and (row.values.get("quantity") or 0) <= 0:
        raise _RefusedRowError("The quantity must be more than 0.")
    while above is not None:
        if above.part["id"] == row.part["id"]:
            raise _RefusedRowError("A part cannot be an item of its own mBOM.")
        above = above.parent


def _write_item(
    tx: Transaction, row: _ImportRow, parent: _ImportRow, mboms: dict[int, int], created: list[int]
) -> None:
    """Insert or update the item of a row in the draft mBOM of its assembly."""
    mbom = _draft_mbom(tx, parent.part["id"], mboms, created)
    resources = tx.catalog.resources
    made = {
        "quantity": row.values["quantity"],
        "madeOnAssembly": bool(row.values.get("madeOnAssembly")),
    }
    found = tx.find("mbom_item", mbom_id=mbom, part_id=row.part["id"])
    if found:
        item: int = found[0]["id"]
        changed, _ = encode_input(resources["mbom_item"], made)
        tx.update("mbom_item", item, changed)
    else:
        place = {"mbomId": mbom, "partId": row.part["id"]}
        item = create(tx, resources["mbom_item"], {**place, **made})
    for part in row.substitutes:
        if not tx.find("mbom_substitute", mbom_item_id=item, part_id=part["id"]):
            values = {"mbomItemId": item, "partId": part["id"]}
            create(tx, resources["mbom_substitute"], values)


def _draft_mbom(tx: Transaction, part_id: int, mboms: dict[int, int], created: list[int]) -> int:
    """Return the draft mBOM of a part; a new version after a released one."""
    if part_id not in mboms:
        latest = tx.find("mboms", "version DESC", part_id=part_id)
        if latest and latest[0]["status"] == "draft":
            mboms[part_id] = latest[0]["id"]
        else:
            values = {"partId": part_id, "copyMbom": bool(latest)}
            mboms[part_id] = create(tx, tx.catalog.resources["mboms"], values)
            created.append(mboms[part_id])
    return mboms[part_id]
