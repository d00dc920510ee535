"""Scripts in the style of First Resonance run against a local ION with https."""

import importlib.util
import json
import os
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ultraviolet.testing import LocalIonProcess, running_local_ion

SCRIPTS = Path(__file__).parent / "scripts"
HAS_FILES = importlib.util.find_spec("ultraviolet.local_ion.store.files") is not None
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def ion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalIonProcess]:
    """A local ION that serves https with its own authority."""
    with running_local_ion(tmp_path_factory.mktemp("tls") / "data", ["--tls"]) as ion:
        yield ion


@pytest.fixture
def run(ion: LocalIonProcess) -> Run:
    """Run a script with URLs and credentials from the environment; return its output."""
    environment = {
        **os.environ,
        "ION_AUTH_SERVER": ion.url.removeprefix("https://"),
        "ION_API_URI": ion.url,
        "ION_CLIENT_ID": ion.client_id,
        "ION_CLIENT_SECRET": ion.client_secret,
        "REQUESTS_CA_BUNDLE": str(ion.ca_file),
    }

    def run(name: str, *arguments: object) -> Any:
        command = [sys.executable, str(SCRIPTS / name), *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def first(ion: LocalIonProcess, query: str) -> dict[str, Any]:
    (root,) = ion.execute(query).values()
    return root["edges"][0]["node"]


def test_stock_is_counted_by_filter_and_by_pages(ion: LocalIonProcess, run: Run) -> None:
    lot = first(
        ion,
        "{ partInventories(filters: {locationId: {isnull: false}}, first: 1) { edges { node { locationId } } } }",
    )
    counted = run("count_stock.py", lot["locationId"])
    assert counted["found"]
    assert counted["found"] == counted["paged"]
    assert counted["seen"] == counted["total"]


def test_quantity_is_corrected_only_with_a_current_etag(ion: LocalIonProcess, run: Run) -> None:
    query = "{ partInventories(filters: {serialNumber: {isnull: true}}, first: 1) { edges { node { id } } } }"
    corrected = run("correct_quantity.py", first(ion, query)["id"], 12.5)
    assert (corrected["quantity"], corrected["new_etag"]) == (12.5, True)
    assert "etag" in corrected["refused"][0]


def test_stock_is_imported_in_batches(run: Run) -> None:
    imported = run("import_stock.py")
    made, built, twice = imported["answers"]
    assert [lot["serialNumber"] for lot in imported["lots"]] == ["S-1", None]
    assert made["data"]["createRun"]["run"]["title"] == "Imported"
    assert built["data"]["createAbomForPartInventory"]["abomItem"]["id"]
    assert "not unique" in twice["errors"][0]["message"]


def test_issues_are_created_in_bulk_with_attributes(ion: LocalIonProcess, run: Run) -> None:
    done = run("raise_issues.py")
    assert [
        issue["causeCondition"][0]["children"][0]["children"][0]["text"] for issue in done["raised"]
    ] == ["Scratched", "Bent"]
    assert done["changed"] == [["minor", True]] * 2
    total = ion.execute("{ suppliers { pageInfo { totalCount } } }")["suppliers"]["pageInfo"][
        "totalCount"
    ]
    assert len({supplier["id"] for supplier in done["suppliers"]}) == total
    assert any(supplier["Attributes"] for supplier in done["suppliers"])


def test_ordered_purchase_order_is_reset_and_deleted(ion: LocalIonProcess, run: Run) -> None:
    query = """{ purchaseOrders(filters: {status: {eq: ORDERED}}) { edges { node {
        id fees { id } approvals { id } approvalRequests { id }
        purchaseOrderLines { id receiptItems { id } partInventories { received } issues { id } } } } } }"""
    orders = [edge["node"] for edge in ion.execute(query)["purchaseOrders"]["edges"]]
    free = [
        o for o in orders if not any(o[tie] for tie in ("fees", "approvals", "approvalRequests"))
    ]
    bare = [o for o in free if not any(_tied(line) for line in o["purchaseOrderLines"])]
    order = max(bare, key=lambda o: len(o["purchaseOrderLines"]))
    lines = sorted(line["id"] for line in order["purchaseOrderLines"])
    done = run("delete_lines.py", order["id"])
    assert lines
    assert (sorted(done["deleted"]), done["left"]) == (lines, [])


def _tied(line: dict[str, Any]) -> bool:
    received = any(each["received"] for each in line["partInventories"])
    return received or any(line[tie] for tie in ("receiptItems", "issues"))


@pytest.mark.skipif(not HAS_FILES, reason="this local ION keeps no contents of files")
def test_file_is_attached_to_a_step(ion: LocalIonProcess, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "Prüfbericht 1.pdf"
    file.write_bytes(bytes(range(256)) * 500)
    step = first(ion, "{ runSteps(first: 1) { edges { node { runId } } } }")
    assert run("attach_file.py", step["runId"], file) == {"same": True, "filename": file.name}


def test_client_without_the_authority_rejects_the_certificate(ion: LocalIonProcess) -> None:
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(
            f"{ion.url}/_local/ready", timeout=20, context=ssl.create_default_context()
        )
