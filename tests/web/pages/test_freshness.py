"""The freshness page: problems first, changed and unchanged resources folded."""

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from ultraviolet import clock
from ultraviolet.hub.sync.watermarks import record_proof
from ultraviolet.mirror.apply import mark_stale
from ultraviolet.mirror.observation import Mark


def rows(text: str) -> list[list[str]]:
    """Return the words of each row of the tables in a page."""
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.DOTALL)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in found]
    plain = [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in cells]
    return [row for row in plain if row]


def test_problems_come_first_and_other_resources_are_folded(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    keep("parts", {"id": 1, "partNumber": "A"})

    def change(connection: Connection) -> None:
        for resource in ("parts", "purchase_orders", "runs", "users"):
            record_proof(connection, 1, resource, at=clock.now_rfc3339(), by="full fetch")
        mark_stale(connection, 1, [Mark("users", "7", "event", clock.now_rfc3339())])

    signed_in.hub.database.write_now(change)
    page = signed_in.send("GET", "/integrations/1/freshness").text
    first, _, folded = page.partition("Unchanged resources by domain")
    problems, _, changed = first.partition('<details class="card bare fold" id="changed">')
    assert [(row[0], row[1], row[4]) for row in rows(problems)] == [("Users", "catching up", "1")]
    assert [(row[0], row[1], row[4]) for row in rows(changed)] == [("Parts", "fresh", "0")]
    assert {row[0] for row in rows(folded)} >= {"Purchase orders", "Runs"}
    assert {row[1] for row in rows(folded)} == {"fresh"}
    assert re.findall(r"<details id=\"group-[a-z-]+\">", folded)
    assert "Purchase orders" not in first
