"""Lists in ION's answers: rows without ids, wrong orders and invalid page info are found."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hub.table_ion import CATALOG

from ultraviolet.hub.sync.answer_lists import (
    Row,
    check_order,
    parse_list,
    parse_rows,
    select_requested,
)
from ultraviolet.ion.errors import IonUnreadableError

RESOURCE = CATALOG.resources["parts"]
TEXT_KEYED = CATALOG.resources["datagrid_values"]


def page(*nodes: Any, **info: Any) -> dict[str, Any]:
    return {
        "edges": [{"node": node} for node in nodes],
        "pageInfo": {"hasNextPage": False, "totalCount": len(nodes)} | info,
    }


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "ION answered no parts"),
        ([], "ION's list of parts is not a list"),
        ("parts", "ION's list of parts is not a list"),
        ({"edges": None}, "ION's list of parts is not a list"),
        ({"edges": {}}, "ION's list of parts is not a list"),
        ({"edges": []}, "ION does not say whether it shows all parts"),
        (page() | {"pageInfo": []}, "ION does not say whether it shows all parts"),
        (page(hasNextPage="no"), "ION does not say whether it shows all parts"),
        (page(hasNextPage=None), "ION does not say whether it shows all parts"),
        (page(hasNextPage=True), "ION says there are more parts and shows none of them"),
    ],
)
def test_invalid_list_is_unreadable(answer: Any, message: str) -> None:
    with pytest.raises(IonUnreadableError, match=message):
        parse_list(RESOURCE, answer)


@pytest.mark.parametrize(
    ("total", "known"),
    [(0, 0), (7, 7), (-1, None), (2**31, None), ("7", None), (True, None), (None, None)],
)
def test_invalid_total_is_unknown(total: Any, known: int | None) -> None:
    listed = parse_list(RESOURCE, page({"id": 1}, totalCount=total, hasNextPage=True))
    assert (known, True, ["1"]) == (listed.total, listed.more, [row.id for row in listed.rows])


@pytest.mark.parametrize(
    ("id_", "expected"),
    [
        (7, "7"),
        ("7", "7"),
        ("007", "7"),
        (None, None),
        (True, None),
        ("seven", None),
        (1.5, None),
        ({}, None),
        (-1, None),
        ("9" * 30, None),
    ],
)
def test_row_without_a_valid_number_has_no_id(id_: Any, expected: str | None) -> None:
    [row] = parse_rows(RESOURCE, page({"id": id_}))
    assert expected == row.id


@pytest.mark.parametrize(
    ("id_", "expected"), [("12-7", "12-7"), (12, None), ("", None), ("x" * 10_000, None)]
)
def test_text_id_must_be_a_text_of_limited_length(id_: Any, expected: str | None) -> None:
    [row] = parse_rows(TEXT_KEYED, page({TEXT_KEYED.key[0]: id_}))
    assert expected == row.id


@pytest.mark.parametrize("edge", [None, 5, {}, {"node": None}, {"node": [1]}, {"other": {}}])
def test_null_instead_of_a_row_has_no_id(edge: Any) -> None:
    assert [Row(None, {})] == parse_rows(RESOURCE, {"edges": [edge]})


@given(ids=st.lists(st.integers(1, 10**12), unique=True), start=st.integers(0, 10**12))
def test_only_ids_in_order_after_the_key_are_accepted(ids: list[int], start: int) -> None:
    rows = [Row(str(id_), {}) for id_ in ids]
    after = str(start) if start else None

    ordered = ids == sorted(ids) and all(id_ > start for id_ in ids)
    if ordered:
        check_order(RESOURCE, rows, after, dated=False)
    else:
        with pytest.raises(IonUnreadableError, match="in a different order"):
            check_order(RESOURCE, rows, after, dated=False)
    check_order(RESOURCE, rows, after, dated=True)


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("resource", [RESOURCE, TEXT_KEYED])
def test_repeated_id_is_refused_in_any_order(resource: Any, dated: bool) -> None:
    rows = [Row("1", {}), Row(None, {}), Row("2", {}), Row("1", {})]
    with pytest.raises(IonUnreadableError, match="more than once"):
        check_order(resource, rows, None, dated=dated)


def test_rows_without_ids_may_repeat() -> None:
    check_order(RESOURCE, [Row(None, {}), Row("1", {}), Row(None, {})], None, dated=False)


def test_text_ids_have_no_order() -> None:
    check_order(TEXT_KEYED, [Row("b", {}), Row("a", {})], "c", dated=False)


@given(
    requested=st.sets(st.integers(1, 9)),
    answered=st.lists(st.tuples(st.integers(1, 9) | st.none(), st.integers(0, 1))),
)
def test_each_answered_row_is_selected_or_counted(
    requested: set[int], answered: list[tuple[int | None, int]]
) -> None:
    rows = [Row(None if id_ is None else str(id_), {"v": value}) for id_, value in answered]

    selected, others = select_requested(rows, [str(id_) for id_ in requested])

    contents: dict[int, set[int]] = {}
    for id_, value in answered:
        if id_ in requested:
            contents.setdefault(id_, set()).add(value)
    certain = {str(id_) for id_, values in contents.items() if len(values) == 1}
    assert certain == {row.id for row in selected}
    assert len(selected) == len(certain)
    ambiguous = sum(len(values) > 1 for values in contents.values())
    assert others == ambiguous + sum(id_ not in requested for id_, _ in answered)
