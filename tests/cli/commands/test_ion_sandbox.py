"""A sandbox from a hub: `ion serve --from-hub`, `ion load` and `ion compare`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import HubProcess, wait_for

from ultraviolet.child_process import Child
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.testing.local_ion_process import (
    CLIENT_ID,
    CLIENT_SECRET,
    LocalIonProcess,
    running_local_ion,
)

CATALOG = load_catalog()
MASKED = {"attributes", "labels", "requirements", "fileAttachments", "assets"}
"""Relations that show texts."""


@pytest.fixture(scope="module")
def plant(hub: HubProcess, local_ion: LocalIonProcess) -> dict[str, Any]:
    """An integration with a complete mirror."""
    integration = hub.connect(local_ion)
    hub.fetch(integration)
    wait_for(lambda: hub.at_rest(local_ion, integration), 60, "the mirror at rest")
    return integration


@pytest.fixture(scope="module")
def masked_file(
    hub: HubProcess, plant: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A masked copy of the plant, for tests."""
    file = tmp_path_factory.mktemp("masked") / "plant.db"
    options = ("--from-hub", hub.url, "--key", hub.key, "--integration", plant["name"], "--mask")
    done = hub.cli("ion", "load", str(file), *options)

    assert done.returncode == 0, done.stderr
    assert "masked" in done.stderr
    return file


def documents(hub: HubProcess, integration: int, resource: str) -> dict[str, dict[str, Any]]:
    path = f"/objects/{resource}?integration={integration}&limit=1000"
    found = hub.api("GET", path)
    assert found["next"] is None
    return {one["id"]: one["fields"] for one in found["items"]}


@pytest.fixture(scope="module")
def sandbox(
    hub: HubProcess, plant: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalIonProcess]:
    """A masked sandbox that `ultraviolet ion serve` loads from the hub."""
    data = tmp_path_factory.mktemp("sandbox") / "data"
    hub_options = ["--from-hub", hub.url, "--key", hub.key, "--integration", "plant", "--mask"]
    arguments = ["ion", "serve", "--port", "0", "--data", str(data), *hub_options]
    environment = {"ION_CLIENT_ID": CLIENT_ID, "ION_CLIENT_SECRET": CLIENT_SECRET}
    with Child("sandbox", arguments, data.parent / "ion.log", environment) as child:
        address = data / "local-ion.json"
        child.wait_until(address.exists, 120)
        yield LocalIonProcess(json.loads(address.read_bytes())["url"], child, data)


def test_second_mirror_differs_only_in_masked_and_computed_fields(
    hub: HubProcess, plant: dict[str, Any], sandbox: LocalIonProcess
) -> None:
    second = hub.connect(sandbox, "second")
    hub.fetch(second)
    wait_for(lambda: hub.at_rest(sandbox, second), 60, "the second mirror at rest")

    counts = [
        {one["resource"]: one["objects"] for one in found["items"]}
        for found in (hub.api("GET", f"/objects?integration={i['id']}") for i in (plant, second))
    ]
    assert counts[0] == counts[1]
    kinds = {"String", "SlateContent", "ScalarValue", "JSONString", "Float"}
    changed = set[str]()
    for name in counts[0]:
        resource = CATALOG.resources[name]
        one, other = (documents(hub, i["id"], name) for i in (plant, second))
        assert one.keys() == other.keys()
        for id_, document in one.items():
            for key, value in document.items():
                field = resource.field(key)
                if value != other[id_][key] and (field is None or field.stored):
                    changed.add(f"{name}.{key}")
                    assert key in MASKED or (field and field.type in kinds), (name, id_, key)
    assert {"users.name", "suppliers.email", "parts.cost", "purchase_orders.attributes"} <= changed
    run = hub.api("POST", f"/integrations/{second['id']}/verifications?wait=true")
    assert (run["state"], run["different"], run["missing"], run["extra"]) == ("done", 0, 0, 0)


def test_masked_copy_is_a_fixture(masked_file: Path, tmp_path: Path) -> None:
    options = ["--from-file", str(masked_file)]
    with running_local_ion(tmp_path / "data", options) as ion:
        found = ion.execute("{ suppliers { edges { node { name } } } }")["suppliers"]["edges"]
        ion.execute('mutation { createLabel(input: {value: "new"}) { label { id } } }')
        ion.reset()
        again = ion.execute('{ labels(filters: {value: {eq: "new"}}) { edges { cursor } } }')

    assert found
    assert not any(set(edge["node"]["name"].lower()) & set("aeiou") for edge in found)
    assert again["labels"]["edges"] == []


def test_fidelity_report_of_a_local_ion_has_no_difference(
    hub: HubProcess, plant: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "report.md"
    options = ("--hub", hub.url, "--key", hub.key, "--integration", "plant")
    done = hub.cli("ion", "compare", *options, "--report", str(file), "--json")

    report = json.loads(done.stdout)
    assert [one for one in report["fields"] if one["different"]] == []
    omitted = {one["resource"] for one in report["fields"] if one["omitted"]}
    assert omitted == {"part_kit_items", "parts_kits", "parts_inventory", "plan_items"}
    assert report["compared_types"] > 100
    assert report["schema"] == []
    assert "## Contents of this file" in file.read_text()


def test_page_of_an_integration_starts_and_stops_a_sandbox(
    hub: HubProcess, plant: dict[str, Any]
) -> None:
    hub.api("POST", "/users", {"name": "ann", "role": "admin"})
    link = hub.api("POST", "/users/ann/sign-in-links")["url"]
    page = f"/integrations/{plant['id']}/sandbox"
    origin = {"origin": hub.url}
    with httpx.Client(
        base_url=hub.url, headers=origin, follow_redirects=True, timeout=60, trust_env=False
    ) as browser:
        browser.post(link)
        form = browser.get(page).text
        csrf = {"csrf": re.findall(r'name="csrf" value="([^"]+)"', form)[-1]}
        started = browser.post(page, data={**csrf, "mask": "yes"})
        assert started.status_code == 200, started.text

        def running() -> str | None:
            found = re.search(r'href="(http://127[^"]+)/home"', browser.get(page).text)
            return found and found[1]

        address = wait_for(running, 60, "the sandbox")
        shown = browser.get(page).text
        home = httpx.get(f"{address}/resources/suppliers", trust_env=False)
        assert "masked data" in shown
        assert "not masked" not in shown
        again = browser.post(page, data=csrf)
        assert "Stop it first" in again.text
        stopped = browser.post(f"{page}/stop", data=csrf)
        assert "Start" in stopped.text

    suppliers = documents(hub, plant["id"], "suppliers").values()
    assert home.status_code == 200
    assert [one["name"] for one in suppliers if one["name"] in home.text] == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, trust_env=False)
    assert not (hub.data / "sandboxes" / str(plant["id"])).exists()
    keys = hub.api("GET", "/api-keys")["items"]
    assert not any("sandbox" in key["name"] for key in keys)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--from-hub", "HUB", "--key", "wrong"], 3, "ultraviolet key create sandbox"),
        (["--from-hub", "HUB", "--key", "KEY"], 2, "--integration second"),
        (["--from-hub", "HUB", "--key", "KEY", "--integration", "plnt"], 4, "“plnt”"),
        (["--from-hub", "http://127.0.0.1:9", "--key", "KEY"], 6, "does not respond"),
        (["--from-hub", "ION", "--key", "KEY"], None, "not belong to a hub"),
    ],
)
def test_error_names_the_next_step(
    hub: HubProcess,
    sandbox: LocalIonProcess,
    tmp_path: Path,
    options: list[str],
    code: int | None,
    message: str,
) -> None:
    if not hub.find("/integrations/second"):
        hub.connect(sandbox, "second")
    values = {"HUB": hub.url, "KEY": hub.key, "ION": sandbox.url}
    file = tmp_path / "plant.db"
    done = hub.cli("ion", "load", str(file), *(values.get(each, each) for each in options))

    assert code in (done.returncode, None)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
