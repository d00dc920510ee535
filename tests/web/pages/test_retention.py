"""Retention on page and API: shown, previewed, and confirmed by name before a deletion."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import text

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import utc_now
from ultraviolet.mirror import purge

PATH = "/integrations/1/retention"


@pytest.fixture
def old_events(signed_in: Any, integration: dict[str, Any]) -> int:
    """Three events of 100 days ago."""
    with signed_in.hub.database.engine.begin() as connection:
        for number in range(3):
            add = """INSERT INTO events (integration_id, webhook_url_id, dedupe_key, received_at, body, headers,
              signature, outcome) VALUES (1, 1, :key, :at, :key, '{}', 'verified', 'applied')"""
            at = as_text(utc_now() - timedelta(days=100 + number))
            connection.execute(text(add), {"key": b"%d" % number, "at": at})
    return 3


def test_api_previews_and_sets_retention(signed_in: Any, old_events: int) -> None:
    kept = signed_in.api("PATCH", PATH, {"events": None}).json()
    assert kept["keep"]["events"] is None
    assert kept["would_remove"]["events"]["count"] == 0

    rehearsed = signed_in.api("PATCH", f"{PATH}?dry_run=true", {"events": 30}).json()
    assert rehearsed["would_remove"]["events"]["count"] == old_events
    assert signed_in.api("GET", PATH).json() == kept
    refused = signed_in.api("PATCH", PATH, {"events": 1})
    assert (refused.status_code, refused.json()["detail"]) == (
        422,
        "Keep events for at least 7 days, or forever.",
    )


def test_incomplete_count_requires_confirmation(
    signed_in: Any, old_events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "MAX_COUNTED_ROWS", old_events - 1)
    usual = {
        "events": "90",
        "versions": "",
        "verifications": "365",
        "fetches": "30",
        "drift": "365",
    }
    assert signed_in.submit("/settings/retention/1", **usual).status_code == 303

    asked = signed_in.create("/settings/retention/1", **usual | {"events": "30"})

    assert "This deletes history" in asked
    assert signed_in.api("GET", PATH).json()["keep"]["events"] == 90
    assert signed_in.submit("/settings/retention/1", **usual | {"events": "95"}).status_code == 303


def test_shorter_retention_requires_confirmation(signed_in: Any, old_events: int) -> None:
    signed_in.api("PATCH", PATH, {"events": None})
    shorter = {
        "events": "30",
        "versions": "",
        "verifications": "365",
        "fetches": "30",
        "drift": "365",
    }

    asked = signed_in.create("/settings/retention/1", **shorter)
    assert "This deletes history" in asked
    page = re.search(r'name="page" value="([^"]+/confirm[^"]+)"', asked)
    assert page
    given = {**shorter, "confirm": "another", "page": unescape(page.group(1))}
    wrong = signed_in.submit("/settings/retention/1", **given)
    assert (wrong.status_code, "This deletes history" in wrong.text) == (422, True)
    assert re.search(r'name="confirm"[^>]* aria-invalid="true"[^>]* value="another"', wrong.text)
    assert signed_in.api("GET", PATH).json()["keep"]["events"] is None

    name = signed_in.api("GET", "/integrations/1").json()["name"]
    assert signed_in.submit("/settings/retention/1", **shorter, confirm=name).status_code == 303
    assert signed_in.api("GET", PATH).json()["keep"]["events"] == 30
    page = signed_in.send("GET", "/settings/retention").text
    assert "starts within a minute" in page
    assert "Retention changed" in signed_in.send("GET", "/settings/audit").text
    longer = shorter | {"events": "60"}
    assert signed_in.submit("/settings/retention/1", **longer).status_code == 303
