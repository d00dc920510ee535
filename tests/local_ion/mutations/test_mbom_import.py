"""createOrUpdateMultipleMboms imports mBOMs from rows in level or depth notation."""

import itertools
from typing import Any

from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()
NUMBERS = itertools.count()
SHOWN = "errorMessages { rowId errorMsg } newMbomRowIds"


def parts(ion: Ion, *names: str) -> dict[str, str]:
    """Create parts; return their part numbers by name."""
    numbers = {name: f"{name} {next(NUMBERS)}" for name in names}
    for number in numbers.values():
        ion.create("Part", partNumber=number)
    return numbers


def load(ion: Ion, kind: str, *rows: dict[str, Any]) -> dict[str, Any]:
    given = {"importerType": kind.upper(), f"{kind}Inputs": list(rows)}
    query = f"""mutation ($input: CreateOrUpdateMultipleMBomsNotationInput!) {{
      createOrUpdateMultipleMboms(input: $input) {{ {SHOWN} }} }}"""
    return ion.data(query, input=given)


def items(ion: Ion, mbom: int) -> dict[str, tuple[float, bool]]:
    shown = "mbomItems { part { partNumber } quantity madeOnAssembly }"
    found = ion.get("mbom", mbom, shown)["mbomItems"]
    return {i["part"]["partNumber"]: (i["quantity"], i["madeOnAssembly"]) for i in found}


def test_depth_notation_creates_an_mbom_for_each_assembly(ion: Ion) -> None:
    p = parts(ion, "top", "box", "bolt")
    answer = load(
        ion,
        "depth",
        {"depth": 0, "partNumber": p["top"], "revision": "A", "quantity": 1},
        {"depth": 1, "partNumber": p["box"], "revision": "A", "quantity": 2},
        {"depth": 2, "partNumber": p["bolt"], "revision": "A", "quantity": 4},
        {"depth": 1, "partNumber": p["bolt"], "quantity": 8, "madeOnAssembly": True},
    )
    assert answer["errorMessages"] == []
    top, box = answer["newMbomRowIds"]
    assert items(ion, top) == {p["box"]: (2, False), p["bolt"]: (8, True)}
    assert items(ion, box) == {p["bolt"]: (4, False)}


def test_level_notation_updates_a_draft(ion: Ion) -> None:
    p = parts(ion, "top", "bolt", "nut", "other")
    first = [
        {"level": "1", "partNumber": p["top"]},
        {"level": "1.1", "partNumber": p["bolt"], "quantity": "4", "substitutes": p["other"]},
    ]
    (mbom,) = load(ion, "level", *first)["newMbomRowIds"]
    first[1]["quantity"] = 5
    second = load(ion, "level", *first, {"level": "1.2", "partNumber": p["nut"], "quantity": 1})
    assert second == {"errorMessages": [], "newMbomRowIds": []}
    assert items(ion, mbom) == {p["bolt"]: (5, False), p["nut"]: (1, False)}
    shown = "mbomItems { substitutes { part { partNumber } } }"
    bolt, _ = ion.get("mbom", mbom, shown)["mbomItems"]
    assert [s["part"]["partNumber"] for s in bolt["substitutes"]] == [p["other"]]


def test_refused_rows_are_reported_and_nothing_is_written(ion: Ion) -> None:
    p = parts(ion, "top", "bolt")
    before = len(ion.list_all("mboms"))
    answer = load(
        ion,
        "depth",
        {"depth": 0, "partNumber": p["top"]},
        {"depth": 1, "partNumber": p["bolt"], "quantity": 1},
        {"depth": 1, "partNumber": "nothing", "quantity": 1},
        {"depth": 3, "partNumber": p["bolt"], "quantity": 1},
        {"depth": 1, "partNumber": p["bolt"], "quantity": 0},
        {"depth": 1, "partNumber": p["top"], "quantity": 1},
    )
    assert [e["rowId"] for e in answer["errorMessages"]] == [3, 4, 5, 6]
    assert "nothing" in answer["errorMessages"][0]["errorMsg"]
    assert len(ion.list_all("mboms")) == before


def test_empty_import_is_accepted(ion: Ion) -> None:
    query = f"""mutation ($i: [CreateOrUpdateMultipleMBomsNotationInput]) {{
      createOrUpdateMultipleMboms(input: $i) {{ {SHOWN} }} }}"""
    assert ion.data(query, i=[]) == {"errorMessages": [], "newMbomRowIds": []}
