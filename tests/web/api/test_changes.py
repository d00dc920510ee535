"""The changes of the mirror in order: none twice, none lost, whoever commits first; in pages and as a stream."""

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
def kept(edge: Any, keep: Keep) -> Any:
    keep("parts", {"id": 1, "partNumber": "A"})
    keep("parts", {"id": 2, "partNumber": "B"})
    keep("suppliers", {"id": 7, "name": "Acme"})
    keep("parts", {"id": 1, "partNumber": "A2"})
    return edge


def test_every_change_comes_once_and_in_order(kept: Any, keep: Keep) -> None:
    first = kept.get("/changes?limit=3")
    assert [("parts", "1", 1), ("parts", "2", 1), ("suppliers", "7", 1)] == seen(first)
    assert first["more"] is True
    rest = kept.get(f"/changes?cursor={first['next']}")
    assert ([("parts", "1", 2)], False) == (seen(rest), rest["more"])
    assert ("update", ["partNumber"], "fetch") == (
        rest["items"][0]["change"],
        rest["items"][0]["changed"],
        rest["items"][0]["origin"]["kind"],
    )
    assert [] == seen(kept.get(f"/changes?cursor={rest['next']}"))
    now = kept.get("/changes?cursor=now")
    assert ([], rest["next"]) == (now["items"], now["next"])
    keep("parts", {"id": 2, "partNumber": "B2"})
    assert [("parts", "2", 2)] == seen(kept.get(f"/changes?cursor={now['next']}"))


def test_only_some_resources_in_bounded_steps(kept: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page looks through so much at most, and may be empty; whoever goes on comes to the end."""
    monkeypatch.setattr(changes, "_MAX_SCANNED_VERSIONS", 2)
    found, pages, cursor = [], 0, ""
    while True:
        page = kept.get(f"/changes?resource=Supplier&resource=purchase_orders&cursor={cursor}")
        found, pages, cursor = found + seen(page), pages + 1, page["next"]
        if not page["more"]:
            break
    assert ([("suppliers", "7", 1)], 3) == (found, pages)


def test_a_cursor_of_what_is_no_longer_kept_is_refused(
    kept: Any, integration: dict[str, Any]
) -> None:
    page = kept.get("/changes?limit=1")
    kept.hub.database.write_now(
        lambda c: c.execute(delete(versions).where(versions.c.version == 1))
    )
    gone = kept.api("GET", f"/changes?cursor={page['next']}")
    assert (410, "#cursor-gone") == (gone.status_code, gone.json()["type"][-12:])
    assert 410 == kept.api("GET", f"/changes/stream?cursor={page['next']}").status_code
    other = kept.api("GET", "/events?limit=1").json()["next"] or "MTI"
    assert 422 == kept.api("GET", f"/changes?cursor={other}").status_code


def test_a_cursor_behind_which_history_went_is_refused_and_one_made_since_goes_on(
    kept: Any,
) -> None:
    old = kept.get("/changes?limit=1")["next"]
    newest = kept.get("/changes")["next"]
    row = {"integration_id": 1, "keep": {}, "history_since": clock.now_rfc3339()}
    kept.hub.database.write_now(lambda c: c.execute(delete(retention)))
    kept.hub.database.write_now(lambda c: c.execute(insert(retention).values(row)))
    assert 410 == kept.api("GET", f"/changes?cursor={old}").status_code
    assert [] == seen(kept.get(f"/changes?cursor={newest}"))
    begun = kept.get("/changes?limit=1")
    assert 3 == len(seen(kept.get(f"/changes?cursor={begun['next']}")))


def test_a_reader_never_passes_a_change_that_is_not_committed_yet(
    edge: Any, integration: dict[str, Any], keep: Keep
) -> None:
    """Two writers at once: the one that began first commits last, and a reader in between has lost nothing."""
    hub, place, now = edge.hub, integration["id"], clock.now_rfc3339()
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Any) -> None:
        doc = {"id": 1, "partNumber": "slow"}
        seen_now = Observation(
            "parts", "1", "full", doc, now, Origin("fetch", "1"), read_started_at=now
        )
        apply(connection, hub.catalog, place, [seen_now])
        begun.set()
        assert go_on.wait(30)

    first = threading.Thread(target=hub.database.write_now, args=(slow,))
    first.start()
    assert begun.wait(30)
    second = threading.Thread(target=keep, args=("parts", {"id": 2, "partNumber": "quick"}))
    second.start()
    cursor = edge.get("/changes")["next"]
    second.join(0.2)
    page = edge.get(f"/changes?cursor={cursor}")
    go_on.set()
    first.join()
    second.join()
    found = seen(page) + seen(edge.get(f"/changes?cursor={page['next']}"))
    assert [("parts", "1", 1), ("parts", "2", 1)] == found
