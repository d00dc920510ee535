"""`ultraviolet object`: columns, filters, readable values and suggestions."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.completion import complete
from tests.command_line import run_command
from typer.testing import CliRunner

from ultraviolet.cli.main import app
from ultraviolet.cli.support.params import parse_filters
from ultraviolet.client.transport import ProblemError
from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin
from ultraviolet.web.queries.object_lists.list_columns import selected_columns
from ultraviolet.web.queries.object_lists.order import Order

ORDERS: list[dict[str, Any]] = [
    {
        "id": 1,
        "status": "DRAFT",
        "_etag": "a",
        "supplierId": 3,
        "_created": "2026-11-01T08:00:00Z",
        "_updated": "2026-11-02T08:00:00Z",
    },
    {
        "id": 2,
        "status": "ORDERED",
        "_etag": "b",
        "supplierId": 4,
        "estimatedTotalCost": 103388.8,
        "currencyId": 2,
        "entityId": 12345,
    },
    {
        "id": 3,
        "status": "ORDERED",
        "_etag": "c",
        "supplierId": None,
        "attributes": {
            "Work order": {"key": "Work order", "type": "STRING", "value": "WO-7"},
            "Score": {"key": "Score", "type": "NUMBER", "value": 4.5},
        },
    },
]
READ_AT = "2026-11-02T10:00:00.123456+00:00"
Call = Callable[..., str]


@pytest.fixture
def call(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command on a stopped hub with three purchase orders, one of them changed."""
    hub = Hub.open(Settings(tmp_path, sqlite_url, "http://hub.test"))
    new = NewIntegration("Local ION", "http://127.0.0.1:9", "http://127.0.0.1:9", "id", "secret")

    def fill(connection: Any) -> None:
        made = integrations.create(connection, hub.secrets, "test", new)
        integrations.pause(connection, "test", made.id)
        for minute, docs in enumerate(
            (
                [ORDERS[0], {**ORDERS[1], "estimatedTotalCost": 1000.5}, ORDERS[2]],
                [
                    {**ORDERS[0], "status": "REQUESTED", "_etag": "d"},
                    {**ORDERS[1], "_etag": "e"},
                ],
                [{**ORDERS[1], "_etag": "f"}],
            )
        ):
            at = f"2026-11-02T10:0{minute}:00.123456+00:00"
            seen = [
                Observation(
                    "purchase_orders",
                    str(doc["id"]),
                    "full",
                    doc,
                    at,
                    Origin("fetch", str(minute + 1)),
                    read_started_at=at,
                )
                for doc in docs
            ]
            apply(connection, hub.catalog, made.id, seen, [])
        bolts = {"id": 3, "name": "Bolts"}
        origin = Origin("fetch", "1")
        supplier = Observation(
            "suppliers", "3", "full", bolts, READ_AT, origin, read_started_at=READ_AT
        )
        currency = Observation(
            "currencies",
            "2",
            "full",
            {"id": 2, "title": "EUR"},
            READ_AT,
            origin,
            read_started_at=READ_AT,
        )
        line = {"id": 8, "purchaseOrderId": 2, "cost": 12.5}
        lines = Observation(
            "purchase_order_lines", "8", "full", line, READ_AT, origin, read_started_at=READ_AT
        )
        apply(connection, hub.catalog, made.id, [supplier, currency, lines], [])

    hub.database.write_now(fill)
    hub.close()
    monkeypatch.setenv("ULTRAVIOLET_DATA", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    return run


def listed(call: Call, *filters: str) -> list[str]:
    options = [word for one in filters for word in ("--filter", one)]
    return [
        item["id"]
        for item in json.loads(call("object", "list", "purchase_orders", "--json", *options))
    ]


def test_list_has_the_columns_of_the_page(call: Call) -> None:
    catalog = load_catalog()
    resource = catalog.resources["purchase_orders"]
    on_page = selected_columns(catalog, resource, [], Order())
    heading = re.split(r"  +", call("object", "list", "purchase_orders").splitlines()[0].rstrip())
    assert ["ID", *(path.label for path in on_page), "state", "changed"] == heading
    assert "Total cost" in heading


def test_list_names_linked_objects_and_currencies(call: Call) -> None:
    orders = call("object", "list", "purchase_orders", "--sort", "-id")
    heading, *rows = orders.splitlines()
    [bolts] = [row for row in rows if row.split()[0] == "1"]
    assert bolts[heading.index("Supplier") :].split()[0] == "Bolts"
    assert "103,388.80 EUR" in orders
    assert "12.50 EUR" in call("object", "list", "purchase_order_lines", "--columns", "cost")
    raw = json.loads(call("object", "list", "purchase_orders", "--json"))
    assert raw[1]["fields"]["estimatedTotalCost"] == 103388.8
    assert raw[0]["fields"]["supplierId"] == 3
    assert raw[0]["linked"] == {}


def test_numbers_are_written_as_on_the_pages(call: Call) -> None:
    columns = "estimatedTotalCost,entityId"
    for command in (
        ["list", "purchase_orders", "--columns", columns],
        ["show", "purchase_orders", "2"],
    ):
        written = call("object", *command)
        assert "103,388.80" in written
        assert " 12345" in written
        assert "103388.8" in call("object", *command, "--json")
    assert "Total cost: 1,000.50 → 103,388.80" in call("object", "history", "purchase_orders", "2")


def test_columns_are_selected(call: Call) -> None:
    table = call("object", "list", "PurchaseOrder", "--columns", "status,supplierId").splitlines()
    assert ["ID", "Status", "Supplier", "ID", "state", "changed"] == table[0].split()
    assert ["1", "Requested", "3", "fresh", "2026-11-02", "10:01:00", "UTC"] == table[1].split()
    with pytest.raises(InvalidError, match="Did you mean status"):
        call("object", "list", "purchase_orders", "--columns", "statu")


def test_field_named_as_on_the_pages_is_explained(call: Call) -> None:
    for given, known in [
        ("eta>@needDate", "“eta” on the pages is estimatedArrivalDate"),
        ("ESTIMATED_COST=1", "Did you mean estimatedCost"),
        ("needDate>@Eta", "“Eta” on the pages is estimatedArrivalDate"),
    ]:
        with pytest.raises(ProblemError, match=known):
            listed(call, given)


def test_fields_of_linked_objects_are_columns_and_filters(call: Call) -> None:
    options = ("--columns", "id,supplier.name")
    table = call("object", "list", "purchase_orders", *options).splitlines()
    assert ["ID", "Supplier", "›", "Name", "state"] == table[0].split()[:5]
    assert ["1", "Bolts", "fresh"] == table[1].split()[:3]
    exported = call("object", "export", "purchase_orders", *options, "--sort", "id")
    assert ["id,supplier.name", "1,Bolts", "2,", "3,"] == exported.split()
    assert ["1"] == listed(call, "supplier.name=Bolts")
    assert ["1"] == listed(call, "_created<now-1d", "_created<@_updated")
    assert [] == listed(call, "_created>today+7d")


def test_custom_attributes_are_columns_and_filters(call: Call) -> None:
    options = ("--columns", "id,attributes.Work order", "--sort", "-attributes.Work order")
    table = call("object", "list", "purchase_orders", *options).splitlines()
    assert ["ID", "Work", "order", "state"] == table[0].split()[:4]
    assert ["3", "WO-7"] == table[1].split()[:2]
    assert ["3"] == listed(call, "attributes.Work order=WO-7")
    assert ["3"] == listed(call, "attribute_work_order!=")
    assert ["3"] == listed(call, "attributes.Score>4")
    past = call("object", "list", "purchase_orders", *options[:2], "--at", READ_AT)
    assert "WO-7" in past
    exported = call("object", "export", "purchase_orders", *options[:2], "--sort", "id")
    assert ["id,attribute_work_order", "1,", "2,", "3,WO-7"] == exported.split()
    with pytest.raises(InvalidError, match="Did you mean Work order"):
        call("object", "list", "purchase_orders", "--columns", "attributes.Work orde")


def test_simple_and_json_filters_select_objects(call: Call) -> None:
    assert ["2", "3"] == listed(call, "status=ORDERED")
    assert ["1"] == listed(call, "status != ORDERED")
    assert ["3"] == listed(call, "supplierId=")
    assert ["1", "2"] == listed(call, "supplierId!=")
    assert ["1"] == listed(call, "_created<2026-11-02")
    assert ["2"] == listed(call, "status=ORDERED", '{"supplierId": {"eq": 4}}')


def test_enum_values_are_accepted_in_any_case_and_checked(call: Call) -> None:
    assert ["2", "3"] == listed(call, "status=ordered")
    assert ["1"] == listed(call, '{"status": {"in": ["Requested"]}}')
    assert [] == listed(call, "status=CANCELED")
    for wrong in ("status=ORDRED", "status!=FOO", '{"not_": {"status": {"in": ["DRAFT", "x"]}}}'):
        with pytest.raises(ProblemError, match=r"status must be one of .*ORDERED, .*is not\."):
            listed(call, wrong)
    with pytest.raises(ProblemError, match="Did you mean ORDERED"):
        listed(call, "status=ORDRED")


def test_invalid_filters_are_rejected() -> None:
    for text in ("status", "{", "paid=maybe", "needDate>soon"):
        with pytest.raises(InvalidError, match="not a valid"):
            parse_filters([text], {"paid": "boolean", "needDate": "time"}.get)
    assert parse_filters([], {}.get) is None


def test_history_shows_changes_as_text(call: Call) -> None:
    [_, newest, oldest] = call("object", "history", "purchase_orders", "1").splitlines()
    assert "2026-11-02 10:01:00 UTC" in newest
    assert "fetch 2" in newest
    assert "Status: Draft → Requested" in newest
    raw = json.loads(call("object", "history", "purchase_orders", "1", "--json"))[0]["changes"]
    assert {"name": "status", "old": "DRAFT", "new": "REQUESTED"} in raw
    assert "fetch 1" in oldest
    assert "{" not in newest + oldest
    assert "_etag" not in newest
    [_, newest, *_] = call("object", "history", "purchase_orders", "2").splitlines()
    assert newest.rstrip().endswith("no visible change")


def test_show_lists_custom_attributes_before_what_ion_sets_itself(call: Call) -> None:
    lines = call("object", "show", "purchase_orders", "3").splitlines()
    assert [line.split()[-1] for line in lines[-3:]] == ["WO-7", "4.5", "c"]
    assert lines[-2].startswith("Score ")


def test_show_prints_labels_choices_links_and_local_times(call: Call) -> None:
    written = call("object", "show", "purchase_orders", "1")
    lines = dict(re.split(r"  +", line) for line in written.splitlines() if line)
    assert "2026-11-01 08:00:00 UTC" == lines["Created"]
    assert "d" == lines["ETag"]
    assert "Requested" == lines["Status"]
    assert "Bolts (3)" == lines["Supplier"]
    raw = json.loads(call("object", "show", "purchase_orders", "1", "--json"))
    assert ("REQUESTED", 3) == (raw["fields"]["status"], raw["fields"]["supplierId"])


def test_differences_and_changes_have_labels(call: Call) -> None:
    since = ("--from", "2026-11-02T10:00:30Z", "--to", "2026-11-02T10:05Z")
    for object_id in (["1"], []):
        written = call("object", "diff", "purchase_orders", *object_id, *since)
        [row] = [line for line in written.splitlines() if "Draft" in line and "→" not in line]
        assert ["Status", "Draft", "Requested"] == row.split()[-3:]
        assert "ETag" not in written
    newest = call("changes", "--resource", "purchase_orders", "--limit", "8").splitlines()
    [row] = [line.split() for line in newest if "Status" in line.split()]
    assert row[:3] == ["2026-11-02", "10:01:00", "UTC"]


def test_time_before_the_history_is_explained(call: Call) -> None:
    at = ("--at", "2026-11-01T00:00Z")
    for clock in ("hub", "ion"):
        said = call("object", "list", "purchase_orders", *at, "--clock", clock)
        start = "starts at 2026-11-02 10:00:00 UTC."
        assert f"No objects at 2026-11-01. The history of purchase_orders {start}" in said
    assert "No objects at 2026-11-01.\n" in call("object", "list", "parts", *at)
    with pytest.raises(ProblemError, match=r"Its history starts at 2026-11-02 10:00:00 UTC"):
        call("object", "show", "purchase_orders", "1", *at)


def test_unknown_resource_is_answered_with_a_command(call: Call) -> None:
    for command in ("list", "export"):
        with pytest.raises(NotFoundError, match=r"“widgets”.*`ultraviolet object list`"):
            call("object", command, "widgets")
    with pytest.raises(NotFoundError, match="Did you mean"):
        call("object", "history", "suplier", "1")


def test_unknown_resource_is_reported_before_a_missing_integration(
    call: Call, tmp_path: Path, sqlite_url: str
) -> None:
    hub = Hub.open(Settings(tmp_path, sqlite_url, "http://hub.test"))
    new = NewIntegration("Second", "http://127.0.0.1:9", "http://127.0.0.1:9", "id", "secret")
    hub.database.write_now(
        lambda connection: integrations.create(connection, hub.secrets, "test", new)
    )
    hub.close()
    for command in (
        ("list", "widgets"),
        ("export", "widgets"),
        ("show", "widgets", "1"),
        ("history", "widgets", "1"),
        ("diff", "widgets", "--from", "7d"),
        ("index", "widgets", "name"),
    ):
        with pytest.raises(NotFoundError, match="no resource “widgets”"):
            call("object", *command)


def test_missing_matches_are_reported_by_list_and_export(call: Call) -> None:
    nobody = ("purchase_orders", "--filter", "supplier.name=Acme")
    assert call("object", "list", *nobody).startswith("No objects match;")
    heading, notice = call("object", "export", *nobody, "--columns", "id,status").splitlines()
    assert heading == "id,status"
    assert notice.startswith("No objects match;")
    assert "No objects match" not in call("object", "export", "purchase_orders")


def test_unquoted_name_is_answered_with_a_quoted_one(call: Call) -> None:
    for options in ([], ["--data", "/tmp/elsewhere"], ["--json"], ["--data=/tmp/elsewhere"]):
        shown = " ".join(call("setup", "apply", "Local", "ION", *options).replace("│", " ").split())
        assert "Quote a name with spaces: 'Local ION'" in shown, options


def test_unknown_environment_is_reported_before_the_secret_is_asked_for(call: Call) -> None:
    with pytest.raises(InvalidError, match="Unknown environment “prod”"):
        call("integration", "add", "plant", "--environment", "prod", "--client-id", "me")


def test_change_by_sql_is_refused_as_read_only(call: Call) -> None:
    with pytest.raises(InvalidError, match="can only be read here"):
        call("sql", "DELETE FROM ion_parts")


def test_resources_are_completed(tmp_path: Path) -> None:
    assert ["purchase_order_lines"] == complete("object show purchase_order_l", tmp_path)


def test_unknown_names_and_choices_are_answered_with_the_next_step(call: Call) -> None:
    """`call` provides the hub."""
    for command, code, said in [
        ("key revoke 99 --yes", 4, "List all with `ultraviolet key list`."),
        ("user link nobody", 4, "List all with `ultraviolet user list`."),
        ("fetch show 99", 4, "List all with `ultraviolet fetch list`."),
        ("event list --resource bolts", 4, "List all with `ultraviolet object list`."),
        ("event replay 99", 0, "No events match."),
        ("freshness nope", 4, "Available: Local ION."),
        ("object list parts --state old", 2, "'old' is not one of 'fresh', 'stale',"),
        ("object export parts --format pdf", 2, "'pdf' is not one of 'csv', 'jsonl',"),
        ("webhook revoke abc --yes", 2, "valid integer"),
    ]:
        done = run_command(*command.split(), COLUMNS="200")
        assert code == done.returncode, command
        assert said in done.stderr, command
        assert "Value error" not in done.stderr
