"""The list of changes is complete and ordered for concurrent writers, in pages and as a stream."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, insert

from ultraviolet import clock
from ultraviolet.db.tables.integrations import retention
from ultraviolet.db.tables.mirror import versions
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin
from ultraviolet.web.queries import changes

Keep = Callable[..., None]


def seen(page: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(one["resource"], one["id"], one["version"]) for one in page["items"]]


@pytest.fixture
def four_changes(edge: Any, keep: Keep) -> Any:
    keep("parts", {"id": 1, "partNumber": "A"})
    keep("parts", {"id": 2, "partNumber": "B"})
    keep("suppliers", {"id": 7, "name": "Acme"})
    keep("parts", {"id": 1, "partNumber": "A2"})
    return edge


def test_each_change_is_listed_once_in_order(four_changes: Any, keep: Keep) -> None:
    first = four_changes.get("/changes?limit=3")
    assert [("parts", "1", 1), ("parts", "2", 1), ("suppliers", "7", 1)] == seen(first)
    assert first["more"] is True
    rest = four_changes.get(f"/changes?cursor={first['next']}")
    assert ([("parts", "1", 2)], False) == (seen(rest), rest["more"])
    assert ("update", ["partNumber"], "fetch") == (
        rest["items"][0]["change"],
        rest["items"][0]["changed"],
        rest["items"][0]["origin"]["kind"],
    )
    assert [] == seen(four_changes.get(f"/changes?cursor={rest['next']}"))
    now = four_changes.get("/changes?cursor=now")
    assert ([], rest["next"]) == (now["items"], now["next"])
    keep("parts", {"id": 2, "partNumber": "B2"})
    assert [("parts", "2", 2)] == seen(four_changes.get(f"/changes?cursor={now['next']}"))


def test_filter_by_resource_scans_a_limited_number_of_versions(
    four_changes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may be empty, because its scan is limited; its cursor leads to the end."""
    monkeypatch.setattr(changes, "_MAX_SCANNED_VERSIONS", 2)
    found, pages, cursor = [], 0, ""
    while True:
        page = four_changes.get(
            f"/changes?resource=Supplier&resource=purchase_orders&cursor={cursor}"
        )
        found, pages, cursor = found + seen(page), pages + 1, page["next"]
        if not page["more"]:
            break
    assert ([("suppliers", "7", 1)], 3) == (found, pages)


def test_cursor_of_a_purged_version_is_refused(
    four_changes: Any, integration: dict[str, Any]
) -> None:
    page = four_changes.get("/changes?limit=1")
    four_changes.hub.database.write_now(
        lambda c: c.execute(delete(versions).where(versions.c.version == 1))
    )
    gone = four_changes.api("GET", f"/changes?cursor={page['next']}")
    assert (410, "#cursor-gone") == (gone.status_code, gone.json()["type"][-12:])
    assert 410 == four_changes.api("GET", f"/changes/stream?cursor={page['next']}").status_code
    other = four_changes.api("GET", "/events?limit=1").json()["next"] or "MTI"
    assert 422 == four_changes.api("GET", f"/changes?cursor={other}").status_code


def test_cursor_before_purged_history_is_refused_and_a_newer_one_continues(
    four_changes: Any,
) -> None:
    old = four_changes.get("/changes?limit=1")["next"]
    newest = four_changes.get("/changes")["next"]
    row = {"integration_id": 1, "keep": {}, "history_since": clock.now_rfc3339()}
    four_changes.hub.database.write_now(lambda c: c.execute(delete(retention)))
    four_changes.hub.database.write_now(lambda c: c.execute(insert(retention).values(row)))
    assert 410 == four_changes.api("GET", f"/changes?cursor={old}").status_code
    assert [] == seen(four_changes.get(f"/changes?cursor={newest}"))
    begun = four_changes.get("/changes?limit=1")
    assert 3 == len(seen(four_changes.get(f"/changes?cursor={begun['next']}")))


def test_reader_does_not_skip_uncommitted_changes(
    edge: Any, integration: dict[str, Any], keep: Keep
) -> None:
    """The writer that begins first commits last; a reader between the commits misses no change."""
    hub, place, now = edge.hub, integration["id"], clock.now_rfc3339()
    started, may_commit = threading.Event(), threading.Event()

    def slow(connection: Any) -> None:
        doc = {"id": 1, "partNumber": "slow"}
        seen_now = Observation(
            "parts", "1", "full", doc, now, Origin("fetch", "1"), read_started_at=now
        )
        apply(connection, hub.catalog, place, [seen_now])
        started.set()
        assert may_commit.wait(30)

    first = threading.Thread(target=hub.database.write_now, args=(slow,))
    first.start()
    assert started.wait(30)
    second = threading.Thread(target=keep, args=("parts", {"id": 2, "partNumber": "quick"}))
    second.start()
    cursor = edge.get("/changes")["next"]
    second.join(0.2)
    page = edge.get(f"/changes?cursor={cursor}")
    may_commit.set()
    first.join()
    second.join()
    found = seen(page) + seen(edge.get(f"/changes?cursor={page['next']}"))
    assert [("parts", "1", 1), ("parts", "2", 1)] == found
