"""Pages and API show all integrations of a hub that has more than one page of them."""

import re
from typing import Any

import pytest
from tests.web.conftest import NEW

from ultraviolet import clock
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.hub.sync import fetch
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin

_MANY = 101


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def last_integration(signed_in: Any) -> str:
    """The name of the last of many integrations, which has an object and a fetch."""
    hub = signed_in.hub
    now = clock.now_rfc3339()
    seen = Observation(
        "parts", "77", "full", {"id": 77}, now, Origin("fetch", "1"), read_started_at=now
    )

    def fill(connection: Any) -> str:
        for n in range(_MANY):
            new = NewIntegration(**{**NEW, "name": f"plant-{n}"})
            made = integrations.create(connection, hub.secrets, "test", new)
        apply(connection, hub.catalog, made.id, [seen], [])
        fetch.request_fetch(connection, made.id, "full", "test")
        return made.name

    return hub.database.write_now(fill)


@pytest.mark.parametrize(
    "path", ["/search?q=77", "/fetches", "/verifications", "/events", "/webhooks"]
)
def test_filters_list_integrations_beyond_the_first_page(
    signed_in: Any, last_integration: str, path: str
) -> None:
    page = signed_in.send("GET", path)
    assert (200, True) == (page.status_code, last_integration in page.text)


@pytest.mark.parametrize("path", ["/", "/integrations", "/settings/retention"])
def test_next_page_shows_the_remaining_integrations(
    signed_in: Any, last_integration: str, path: str
) -> None:
    pages = [signed_in.send("GET", path).text]
    while following := re.search(r'href="(\?[^"]*cursor=[^"]*)">Next page', pages[-1]):
        pages.append(signed_in.send("GET", path + following[1]).text)
    assert last_integration not in pages[0]
    assert f"plant-{_MANY - 2}" not in pages[-1]
    assert last_integration in pages[-1]


def test_status_lists_all_integrations(edge: Any, last_integration: str) -> None:
    assert _MANY == len(edge.get("/status")["integrations"])


def test_fields_to_choose_are_those_of_the_integration(signed_in: Any) -> None:
    hub = signed_in.hub
    now = clock.now_rfc3339()

    def fill(connection: Any) -> None:
        for name, attribute in (("north", "Torque"), ("south", "Color")):
            new = NewIntegration(**{**NEW, "name": name})
            made = integrations.create(connection, hub.secrets, "test", new)
            row = {"id": "1", "key": attribute, "type": "STRING", "value": "x"}
            document = {"id": 1, "attributes": {attribute: row}}
            seen = Observation(
                "parts", "1", "full", document, now, Origin("fetch", "1"), read_started_at=now
            )
            apply(connection, hub.catalog, made.id, [seen], [])

    hub.database.write_now(fill)
    for page in ("columns", "filter"):
        for name, own, other in (("north", "Torque", "Color"), ("south", "Color", "Torque")):
            text = signed_in.send("GET", f"/objects/parts/{page}?integration={name}").text
            assert (f">{own}<" in text, f">{other}<" in text) == (True, False), page
    # parts that other objects link to
    text = signed_in.send("GET", "/objects/purchase_order_lines/columns?integration=south").text
    assert (">Color<" in text, ">Torque<" in text) == (True, False)
