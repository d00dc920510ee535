"""The search: by id or by any text, across all resources."""

from collections.abc import Callable
from typing import Any


def test_ids_and_texts_are_found_in_every_resource(signed_in: Any, keep: Callable[..., None]) -> None:
    keep("suppliers", {"id": 7, "name": "Café Müller GmbH"})
    keep(
        "parts",
        {"id": 7, "partNumber": "BRK-100", "description": "Bracket 100% steel"},
        {"id": 8, "partNumber": "X"},
    )

    by_id = signed_in.send("GET", "/search?q=7").text
    assert "/objects/suppliers/7?" in by_id
    assert "/objects/parts/7?" in by_id
    assert "/objects/suppliers/7?" in signed_in.send("GET", "/search", params={"q": "café müller"}).text
    assert "/objects/parts/7?" in signed_in.send("GET", "/search", params={"q": "100% STEEL"}).text


def test_names_of_fields_are_not_content(signed_in: Any, keep: Callable[..., None]) -> None:
    keep("parts", {"id": 7, "partNumber": "BRK-100"})
    assert "Nothing says" in signed_in.send("GET", "/search?q=partNumber").text


def test_a_resource_is_found_by_its_name(signed_in: Any) -> None:
    assert '<a href="/objects/purchase_orders">' in signed_in.send("GET", "/search?q=purchase order").text
