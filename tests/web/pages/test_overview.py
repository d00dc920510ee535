"""The overview: one honest sentence for each integration, and charts of what changed and how quickly."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ultraviolet import clock
from ultraviolet.hub.health.freshness import Cause
from ultraviolet.web.pages.actions import Action, action_for
from ultraviolet.web.queries.activity import last_hour


def trust(edge: Any) -> str:
    found = re.search(r'data-trust="(\w+)"', edge.send("GET", "/").text)
    assert found
    return found.group(1)


def test_an_empty_hub_says_how_to_begin(signed_in: Any) -> None:
    page = signed_in.send("GET", "/").text
    assert "Connect an ION" in page
    assert 'href="/integrations/new"' in page


def test_what_was_never_read_is_not_called_fresh(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    assert trust(signed_in) in {"unread", "reading"}  # the first fetch may have begun


@pytest.mark.usefixtures("at_once")
def test_an_ion_that_refuses_is_not_called_fresh(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    signed_in.api("POST", f"/integrations/{integration['id']}/test")
    assert trust(signed_in) == "failing"


@pytest.mark.usefixtures("at_once")
def test_what_is_wrong_comes_with_a_button_that_helps(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    signed_in.api("POST", f"/integrations/{integration['id']}/test")
    page = signed_in.send("GET", "/").text
    assert 'action="/integrations/1/test"' in page
    assert "Test connection again" in page
    assert action_for(Cause("receiver", "It is inactive", "", red=True), 1) == Action(
        "Repair webhooks", "/integrations/1/set-up/automatic", "admin"
    )
    signed_in.submit("/integrations/1/test")
    assert trust(signed_in) == "failing"


def test_a_paused_integration_says_so_first(signed_in: Any, integration: dict[str, Any]) -> None:
    signed_in.submit("/integrations/1/pause")
    assert trust(signed_in) == "paused"


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
    assert signed_in.hub.database.read_now(lambda c: len(last_hour(c, 1))) == 60


def test_the_same_content_again_is_no_change(signed_in: Any, keep: Callable[..., None]) -> None:
    keep("parts", {"id": 1, "partNumber": "A"})
    keep("parts", {"id": 1, "partNumber": "A"})
    assert "1 in total" in signed_in.send("GET", "/").text
