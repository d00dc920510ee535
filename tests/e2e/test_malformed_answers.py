"""A running hub with endless responses of ION and deliveries with invalid Unicode."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import HubProcess, send, wait_for

from ultraviolet.testing import LocalIonProcess
from ultraviolet.testing.answer_proxy import AnswerProxy, Rule

MAX_GROWTH_KILOBYTES = 300 * 1024
"""Limit in MB: six concurrent requests hold up to 32 MB each."""
BOMB = Rule("bomb", operation="query (Page|ByIds|Ids|Newest)", size_bytes=256 * 1024 * 1024)


@pytest.fixture(scope="module")
def proxy(local_ion: LocalIonProcess) -> Iterator[AnswerProxy]:
    with AnswerProxy(local_ion.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def integration(hub: HubProcess, proxy: AnswerProxy, local_ion: LocalIonProcess) -> dict[str, Any]:
    made = hub.connect(
        local_ion, api_url=proxy.url, auth_url=proxy.url, resources=["parts", "suppliers"]
    )
    hub.fetch(made)
    return made


def peak_kilobytes(hub: HubProcess) -> int:
    status = Path(f"/proc/{hub.child.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def test_endless_responses_use_bounded_memory_and_are_not_fresh(
    hub: HubProcess, proxy: AnswerProxy, integration: dict[str, Any]
) -> None:
    address = f"/integrations/{integration['id']}"
    wait_for(lambda: hub.api("GET", f"{address}/freshness")["state"] == "fresh", 60, "fresh")
    before = peak_kilobytes(hub)

    proxy.rules = [BOMB]
    fetch = hub.fetch(integration)

    assert "failed" == fetch["state"]
    assert "larger than 32 MB" in fetch["error"]
    wait_for(lambda: hub.api("GET", f"{address}/freshness")["state"] != "fresh", 60, "not fresh")
    assert peak_kilobytes(hub) - before < MAX_GROWTH_KILOBYTES

    proxy.rules = []
    assert "done" == hub.fetch(integration)["state"]


BODIES = (
    rb'{"event_id": %d, "resource": "parts", "action": "UPDATE", "id": 1, "changes": {"description": {"new": "\ud83d"}}}',
    b'{"event_id": %d, "resource": "parts", "action": "UPDATE", "id": 1, "changes": {"description": "\xff\xfe"}}',
    b'\xef\xbb\xbf{"event_id": %d, "resource": "parts", "action": "UPDATE", "id": 1, "changes": {"leadTime": NaN}}',
    rb'{"event_id": %d, "resource": "parts", "action": "UPDATE", "id": 1, "changes": {"a\udc00": 1e999}}',
    b'{"event_id": %d, "resource": "parts", "action": "UPDATE", "id": 1, "id": 2, "changes": {"x": "a\x00b"}}',
    b'{"event_id": %d, "resource": "parts", "action": "UPDATE", "id": 1, "changes": ' + b"[" * 5000,
)


def test_deliveries_with_invalid_unicode_are_stored_applied_and_shown(
    hub: HubProcess, integration: dict[str, Any]
) -> None:
    made = hub.api("POST", f"/integrations/{integration['id']}/webhook-urls", {"name": "by hand"})
    path = made["url"].partition("/hooks/")[2]
    for number, body in enumerate(BODIES, start=900_000):
        status, _ = send("POST", f"{hub.url}/hooks/{path}", body.replace(b"%d", b"%d" % number))
        assert status == 200

    def applied() -> Any:
        found = hub.api("GET", f"/events?integration={integration['id']}&limit={len(BODIES)}")[
            "items"
        ]
        return found if all(one["outcome"] for one in found) else None

    found = wait_for(applied, 60, "outcomes")
    understood = [one for one in found if one["resource"] == "parts"]
    assert len(BODIES) - 1 <= len(understood)
    for one in found:
        shown = hub.api("GET", f"/events/{one['seq']}")
        json.dumps(shown).encode()
        page = send("GET", f"{hub.url}/events/{one['seq']}", authorization=f"Bearer {hub.key}")
        assert page[0] in (200, 303), page
