"""Names must not contain characters that control how text is displayed."""

from typing import Any

import pytest
from tests.web.conftest import NEW, Edge

BAD = [
    "plant\x1b[2J",
    "plant\nforged",
    "a\tb",
    "\u202etnalp",
    "p\u2066x",
    "p\u200fx",
    "p\x9bx",
    "p\u2028x",
    "p\x7fx",
]


@pytest.fixture
def paths(edge: Edge, integration: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every API path that takes a name, with its other required fields."""
    destination = {"kind": "webhook", "address": "http://127.0.0.1:9/hook"}
    return [
        ("/integrations", NEW),
        ("/users", {"role": "viewer"}),
        ("/api-keys", {"role": "viewer"}),
        (f"/integrations/{integration['id']}/webhook-urls", {}),
        ("/alert-destinations", destination),
        ("/saved-views", {"resource": "parts", "query": ""}),
    ]


def test_control_characters_in_names_are_rejected(
    edge: Edge, paths: list[tuple[str, dict[str, Any]]]
) -> None:
    for path, more in paths:
        for name in BAD:
            answer = edge.api("POST", path, {**more, "name": name})
            assert (path, name, 422) == (path, name, answer.status_code), answer.text
            assert "controls how text is displayed" in answer.json()["detail"]
        answer = edge.api("POST", path, {**more, "name": "Wörk 12 – 工場 🏭"})
        assert (path, 201) == (path, answer.status_code), answer.text
