"""The overview: one honest sentence for each integration, and charts of what changed and how quickly."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ultraviolet import clock
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import Action, Finding
from ultraviolet.web.queries.activity import list_activity


def state_shown(edge: Any) -> str:
    found = re.search(r'data-state="(\w+)"', edge.send("GET", "/").text)
    assert found
    return found.group(1)


def test_an_empty_hub_says_how_to_begin(signed_in: Any) -> None:
    page = signed_in.send("GET", "/").text
    assert "Connect an ION" in page
    assert 'href="/integrations/new"' in page


def test_what_was_never_read_is_not_called_fresh(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    assert state_shown(signed_in) == "unread"


@pytest.mark.usefixtures("at_once")
def test_an_ion_that_refuses_is_not_called_fresh(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    signed_in.api("POST", f"/integrations/{integration['id']}/test")
    assert state_shown(signed_in) == "failing"


@pytest.mark.usefixtures("at_once")
def test_what_is_wrong_comes_with_a_button_that_helps(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    signed_in.api("POST", f"/integrations/{integration['id']}/test")
    page = signed_in.send("GET", "/").text
    assert 'action="/integrations/1/test"' in page
    assert "Test connection again" in page
    inactive = Finding("receiver", "error", "It is inactive", "", Action.REPAIR_WEBHOOKS)
    signed_in.hub.database.write_now(finding_store.add_findings, 1, [inactive])
    page = signed_in.send("GET", "/").text
    assert 'action="/integrations/1/set-up/automatic"' in page
    assert '<button class="plain">Repair webhooks</button>' in page
    signed_in.submit("/integrations/1/test")
    assert state_shown(signed_in) == "failing"


def test_a_paused_integration_says_so_first(signed_in: Any, integration: dict[str, Any]) -> None:
    signed_in.submit("/integrations/1/pause")
    assert state_shown(signed_in) == "paused"


def test_changes_are_charted_with_their_delay(signed_in: Any, keep: Callable[..., None]) -> None:
    second_ago = clock.format_rfc3339(datetime.now(UTC) - timedelta(seconds=1.5))
    keep(
        "parts", {"id": 1, "partNumber": "A", "_updated": second_ago}, {"id": 2, "partNumber": "B"}
    )

    page = signed_in.send("GET", "/").text
    assert re.search(
        r"Changes per minute over the last hour: 2 in total, at most [12] per minute\.", page
    )
    assert re.search(r"p50 1\.\d s, p99 1\.\d s", page)
    assert signed_in.hub.database.read_now(lambda c: len(list_activity(c, 1))) == 60


def test_the_same_content_again_is_no_change(signed_in: Any, keep: Callable[..., None]) -> None:
    keep("parts", {"id": 1, "partNumber": "A"})
    keep("parts", {"id": 1, "partNumber": "A"})
    assert "1 in total" in signed_in.send("GET", "/").text
