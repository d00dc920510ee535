import itertools
from pathlib import Path

import pytest
from graphql import GraphQLObjectType, get_named_type, is_leaf_type

from ultraviolet.local_ion.auth import api_keys
from ultraviolet.local_ion.auth.viewers import Viewer, load_viewer
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.store import audit_log

ADMIN = Viewer(1)


class Ion:
    """A local ION used as its administrator."""

    def __init__(self, path: Path) -> None:
        ticks = itertools.count()
        self.ion = LocalIon(path, lambda: f"2026-11-24T00:00:00.{next(ticks):06d}+00:00")

    def ask(self, query: str, viewer: Viewer = ADMIN, **variables):
        return self.ion.execute(query, variables, None, viewer)

    def data(self, query: str, **variables):
        answer = self.ask(query, **variables)
        assert "errors" not in answer, answer["errors"]
        (value,) = answer["data"].values()
        return value

    def error(self, query: str, **variables) -> str:
        return self.ask(query, **variables)["errors"][0]["message"]

    def make(self, kind: str, select: str = "id _etag", **values):
        """Create one object of a type."""
        name = kind[0].lower() + kind[1:]
        given = f"mutation($input: Create{kind}Input!) {{ create{kind}(input: $input) {{ {name} {{ {select} }} }} }}"
        return self.data(given, input=values)[name]


@pytest.fixture
def ion(ion_folder):
    made = Ion(ion_folder)
    yield made
    made.ion.close()


def order_with_lines(ion: Ion, *quantities: float):
    order = ion.make("PurchaseOrder", description="bolts", currencyId=1)
    for quantity in quantities:
        ion.make("PurchaseOrderLine", purchaseOrderId=order["id"], quantity=quantity, cost=2)
    return order["id"]


def nodes(connection):
    return [e["node"] for e in connection["edges"]]


def test_empty_database_has_an_organization_and_administrator(ion):
    me = ion.data(
        "{ me { id isAdmin organization { id domain } roles { name } permissionGroups { name } } }"
    )
    assert (1, True, ["Admin"]) == (me["id"], me["isAdmin"], [r["name"] for r in me["roles"]])
    assert "CreateWebhookReceiver" in {g["name"] for g in me["permissionGroups"]}


def test_created_object_has_stamps_entity_and_etag(ion):
    order = ion.make(
        "PurchaseOrder",
        "id status _etag _created _updated entityId createdBy { id } currency { type }",
        currencyId=1,
    )
    assert ("DRAFT", "USD", 1) == (
        order["status"],
        order["currency"]["type"],
        order["createdBy"]["id"],
    )
    assert 32 == len(order["_etag"])
    assert order["_created"] == order["_updated"]
    assert order["entityId"] > 0


def test_outdated_etag_is_rejected(ion):
    order = ion.make("PurchaseOrder")
    change = 'mutation($e: String!) { updatePurchaseOrder(input: {id: 1, etag: $e, description: "x"}) { purchaseOrder { _etag } } }'
    assert order["_etag"] != ion.data(change, e=order["_etag"])["purchaseOrder"]["_etag"]
    assert "etag does not match" in ion.error(change, e=order["_etag"])


def test_absent_member_is_unchanged_and_null_clears(ion):
    supplier = ion.make("Supplier", name="A", email="a@b", address="here")
    change = "mutation($input: UpdateSupplierInput!) { updateSupplier(input: $input) { supplier { name email address } } }"
    answer = ion.data(
        change, input={"id": supplier["id"], "etag": supplier["_etag"], "email": None}
    )["supplier"]
    assert {"name": "A", "email": None, "address": "here"} == answer


def test_deleted_object_does_not_exist(ion):
    supplier = ion.make("Supplier", name="A", attributes=[{"key": "tier", "value": 1}])
    gone = "mutation($e: String!) { deleteSupplier(id: 1, etag: $e) { id } }"
    assert {"id": 1} == ion.data(gone, e=supplier["_etag"])
    assert ion.data("{ supplier(id: 1) { id } }") is None
    assert "does not exist" in ion.error(gone, e=supplier["_etag"])


def test_used_object_cannot_be_deleted(ion):
    part = ion.make("Part", partNumber="P")
    ion.make("PartInventory", partId=part["id"])
    assert "still used" in ion.error(
        "mutation($e: String!) { deletePart(id: 1, etag: $e) { id } }", e=part["_etag"]
    )


def test_link_target_must_exist(ion):
    message = ion.error(
        "mutation { createPurchaseOrderLine(input: {purchaseOrderId: 99}) { purchaseOrderLine { id } } }"
    )
    assert "does not exist" in message


def test_duplicate_part_is_rejected(ion):
    ion.make("Part", partNumber="P", revision="A")
    ion.make("Part", partNumber="P", revision="B")
    assert "not unique" in ion.error(
        'mutation { createPart(input: {partNumber: "P"}) { part { id } } }'
    )


def test_failed_mutation_changes_nothing_and_the_next_runs(ion):
    twice = 'mutation { a: createLabel(input: {value: "x"}) { label { id } } b: createLabel(input: {value: "x"}) { label { id } } c: createLabel(input: {value: "y"}) { label { id } } }'
    answer = ion.ask(twice)
    assert (True, None, True) == (
        bool(answer["data"]["a"]),
        answer["data"]["b"],
        bool(answer["data"]["c"]),
    )
    assert [["b"]] == [e["path"] for e in answer["errors"]]


def test_lists_are_filtered_sorted_and_paged(ion):
    order_with_lines(ion, 1, 2, 3, 4, 5)
    query = "query($f: PurchaseOrderLinesInputFilters, $sort: [PurchaseOrderLineSortEnum], $first: Int, $after: String, $last: Int, $before: String) { purchaseOrderLines(filters: $f, sort: $sort, first: $first, after: $after, last: $last, before: $before) { edges { cursor node { quantity } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor count totalCount } } }"
    page = ion.data(query, f={"quantity": {"gt": 1}}, sort=["QUANTITY_DESC"], first=2, after="")
    assert [5, 4] == [n["quantity"] for n in nodes(page)]
    assert "YXJyYXljb25uZWN0aW9uOjE=" == page["pageInfo"]["endCursor"]
    assert (True, False, 2, 4) == tuple(
        page["pageInfo"][k] for k in ("hasNextPage", "hasPreviousPage", "count", "totalCount")
    )
    rest = ion.data(
        query,
        f={"quantity": {"gt": 1}},
        sort=["QUANTITY_DESC"],
        first=9,
        after=page["pageInfo"]["endCursor"],
    )
    assert [3, 2] == [n["quantity"] for n in nodes(rest)]
    assert (False, True) == (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"])
    last = ion.data(query, sort=["ID_ASC"], last=2, before=rest["pageInfo"]["endCursor"])
    assert [2, 3] == [n["quantity"] for n in nodes(last)]
    assert 5 == len(nodes(ion.data(query)))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"name": {"eq": "Acme Bolts"}}, [1]),
        ({"name": {"neq": "Acme Bolts"}}, [2, 3]),
        ({"name": {"like": "Acme%"}}, [1, 2]),
        ({"name": {"like": "acme%"}}, []),
        ({"name": {"ilike": "acme%"}}, [1, 2]),
        ({"name": {"notilike": "acme%"}}, [3]),
        ({"email": {"isnull": True}}, [2, 3]),
        ({"email": {"isnull": False}}, [1]),
        ({"id": {"in": [1, "3"]}}, [1, 3]),
        ({"id": {"gt": 1}, "name": {"like": "Acme%"}}, [2]),
        ({"or_": [{"id": {"eq": 1}}, {"name": {"eq": "Other"}}]}, [1, 3]),
        ({"and_": [{"id": {"gte": 2}}, {"id": {"lt": 3}}]}, [2]),
        ({"name": {"fuzzyMatch": {"value": "acme bots", "similarity": 0.8}}}, [1]),
        ({"purchaseOrders": {"status": {"in": ["DRAFT"]}}}, [2]),
        ({"attributes": {"key": {"eq": "tier"}, "value": {"gte": 2}}}, [3]),
        ({"attributes": {"key": {"eq": "x"}}}, []),
        ({"createdBy": {"name": {"ilike": "%ada%"}}}, [1, 2, 3]),
        ({"_updated": {"gt": "2020-01-01"}}, [1, 2, 3]),
    ],
)
def test_filters_support_every_operator(ion, filters, expected):
    ion.make("Supplier", name="Acme Bolts", email="a@b", attributes=[{"key": "tier", "value": 1}])
    ion.make("Supplier", name="Acme Nuts")
    ion.make("Supplier", name="Other", attributes=[{"key": "tier", "value": 2}])
    ion.make("PurchaseOrder", supplierId=2)
    query = "query($f: SuppliersInputFilters) { suppliers(filters: $f, sort: [ID_ASC]) { edges { node { id } } } }"
    assert expected == [n["id"] for n in nodes(ion.data(query, f=filters))]


def test_distinct_returns_the_first_of_each_group(ion):
    for number, revision in (("P", "A"), ("P", "B"), ("Q", "A")):
        ion.make("Part", partNumber=number, revision=revision)
    found = ion.data(
        "{ parts(distinctOn: [PART_NUMBER_ASC], sort: [PART_NUMBER_ASC, REVISION_DESC]) { edges { node { partNumber revision } } } }"
    )
    assert [("P", "B"), ("Q", "A")] == [(n["partNumber"], n["revision"]) for n in nodes(found)]


def test_nested_relations_have_counts_and_filters(ion):
    order = order_with_lines(ion, 1, 2)
    found = ion.data(
        "query($id: ID!) { purchaseOrder(id: $id) { estimatedCost _PurchaseOrderLinesCount purchaseOrderLines(filters: {quantity: {gt: 1}}) { quantity purchaseOrder { id } } } }",
        id=order,
    )
    assert (6.0, 2) == (found["estimatedCost"], found["_PurchaseOrderLinesCount"])
    assert [{"quantity": 2.0, "purchaseOrder": {"id": order}}] == found["purchaseOrderLines"]


def test_sums_of_money_have_no_floating_point_noise(ion):
    order = order_with_lines(ion, 1, 2)
    ion.make("PurchaseOrderLine", purchaseOrderId=int(order), quantity=1, cost=0.1)
    ion.make("PurchaseOrderLine", purchaseOrderId=int(order), quantity=1, cost=0.2)
    query = "query($id: ID!) { purchaseOrder(id: $id) { estimatedCost estimatedTotalCost } }"
    found = ion.data(query, id=order)
    assert (found["estimatedCost"], found["estimatedTotalCost"]) == (6.3, 6.3)


def test_fragments_aliases_and_directives_are_supported(ion):
    query = "query($no: Boolean!) { me { ...U ... on User { mail: email } name @skip(if: $no) __typename } } fragment U on User { id }"
    assert {"id": 1, "mail": "admin@ultraviolet.example", "__typename": "User"} == ion.data(
        query, no=True
    )


def test_timeline_shows_actor_and_changes(ion):
    order = ion.make("PurchaseOrder", description="old")
    ion.data(
        "mutation($e: String!) { updatePurchaseOrder(input: {id: 1, etag: $e, status: ORDERED}) { purchaseOrder { id } } }",
        e=order["_etag"],
    )
    first, _ = ion.data(
        "{ purchaseOrder(id: 1) { timeline { eventType actor { id } changedAttributes { field oldValue newValue } ... on PurchaseOrderEvents { oldValues { status } newValues { status } } } } }"
    )["timeline"]
    assert ("UPDATE", 1, "DRAFT", "ORDERED") == (
        first["eventType"],
        first["actor"]["id"],
        first["oldValues"]["status"],
        first["newValues"]["status"],
    )
    assert {"field": "status", "oldValue": "draft", "newValue": "ordered"} in first[
        "changedAttributes"
    ]


def test_audit_log_has_complete_database_rows(ion):
    ion.make("PurchaseOrder", supplierInstructions=[{"type": "p"}])
    (created,) = [
        a
        for a in audit_log.actions_after(ion.ion.store.connection, 0)
        if a.table_name == "purchase_orders"
    ]
    assert ("CREATE", "1", 1, None) == (
        created.action,
        created.row_id,
        created.actor_id,
        created.old_row,
    )
    row = created.new_row or {}
    assert ("draft", [{"type": "p"}], None) == (
        row["status"],
        row["supplier_instructions"],
        row["description"],
    )


def test_audit_log_never_contains_a_secret(ion):
    secret = ion.data("mutation { createApiKey { apikey { clientSecret } } }")["apikey"][
        "clientSecret"
    ]
    keys = [
        a
        for a in audit_log.actions_after(ion.ion.store.connection, 0)
        if a.table_name == "api_keys"
    ]
    assert [False] == ["client_secret" in (k.new_row or {}) for k in keys]
    assert secret not in "\n".join(ion.ion.store.connection.iterdump())


def test_created_api_key_authenticates(ion):
    key = ion.data("mutation { createApiKey { apikey { _etag clientId clientSecret } } }")["apikey"]
    claims = api_keys.authenticate(ion.ion.store, key["clientId"], key["clientSecret"])
    assert claims is not None
    assert load_viewer(ion.ion.store, claims).permissions is None
    assert api_keys.authenticate(ion.ion.store, key["clientId"], "wrong") is None
    ion.data(
        "mutation($input: APIKeyInput!) { updateApiKey(input: $input) { apikey { enabled clientSecret } } }",
        input={"_etag": key["_etag"], "clientId": key["clientId"], "enabled": False},
    )
    assert api_keys.authenticate(ion.ion.store, key["clientId"], key["clientSecret"]) is None
    assert [None] == [
        n["clientSecret"] and None
        for n in nodes(ion.data("{ apiKeys { edges { node { clientSecret } } } }"))
    ]


def test_order_status_and_line_statuses_follow_each_other(ion):
    order = order_with_lines(ion, 1, 2)
    read = (
        "{ purchaseOrder(id: 1) { status _etag orderedAt purchaseOrderLines { id status _etag } } }"
    )
    before = ion.data(read)
    ion.data(
        "mutation($e: String!) { updatePurchaseOrder(input: {id: 1, etag: $e, status: ORDERED}) { purchaseOrder { id } } }",
        e=before["_etag"],
    )
    after = ion.data(read)
    assert ["ORDERED", "ORDERED"] == [line["status"] for line in after["purchaseOrderLines"]]
    assert after["orderedAt"]
    assert before["purchaseOrderLines"][0]["_etag"] != after["purchaseOrderLines"][0]["_etag"]
    for line in after["purchaseOrderLines"]:
        ion.data(
            "mutation($input: UpdatePurchaseOrderLineInput!) { updatePurchaseOrderLine(input: $input) { purchaseOrderLine { id } } }",
            input={"id": line["id"], "etag": line["_etag"], "status": "CANCELED"},
        )
    assert ("CANCELED", order) == (ion.data(read)["status"], 1)


def test_receiver_gets_a_secret_and_accepts_subscriptions(ion):
    receiver = ion.make(
        "WebhookReceiver",
        "id sharedSecret contentType expectedResponseCode active",
        name="V",
        webhookUri="http://h",
    )
    assert ("JSON", 200, True, 64) == (
        receiver["contentType"],
        receiver["expectedResponseCode"],
        receiver["active"],
        len(receiver["sharedSecret"]),
    )
    made = ion.make(
        "WebhookSubscription",
        "id _etag resource action active receiver { name }",
        receiverId=1,
        resource="RUNS",
        action="CREATE",
    )
    assert ("RUNS", "CREATE", True, "V") == (
        made["resource"],
        made["action"],
        made["active"],
        made["receiver"]["name"],
    )
    ion.data(
        "mutation($e: String!) { updateWebhookSubscription(input: {id: 1, etag: $e, active: false}) { webhookSubscription { active } } }",
        e=made["_etag"],
    )
    assert [{"active": False}] == ion.data(
        "{ webhookReceiver(id: 1) { subscriptions { active } } }"
    )["subscriptions"]


def test_viewer_without_permission_is_rejected(ion):
    answer = ion.ask(
        "{ parts { edges { node { id } } } }", viewer=Viewer(1, frozenset({"suppliers"}))
    )
    assert "User does not have permission to read this resource." == answer["errors"][0]["message"]


def test_invalid_queries_return_errors(ion):
    assert "Cannot query field" in ion.error("{ me { nothing } }")
    assert "Syntax Error" in ion.error("{ me {")
    assert "Variable" in ion.error("query($id: ID!) { part(id: $id) { id } }")


def test_introspection_returns_types(ion):
    assert {"name": "Query"} == ion.data("{ __schema { queryType { name } } }")["queryType"]
    assert {"name": "Part"} == ion.data(
        "query($n: String!) { __type(name: $n) { name } }", n="Part"
    )


def test_every_list_returns_every_field(ion):
    catalog = ion.ion.catalog
    for resource in catalog.resources.values():
        if resource.list is None:
            continue
        kind = ion.ion.schema.type_map[resource.type]
        assert isinstance(kind, GraphQLObjectType)
        selected = " ".join(
            _selected(name, get_named_type(f.type))
            for name, f in kind.fields.items()
            if name != "firstInventoryDisplay"
        )
        ion.data(
            f"{{ {resource.list}(first: 2) {{ edges {{ node {{ {selected} }} }} pageInfo {{ hasNextPage }} }} }}"
        )


def _selected(name, kind):
    if is_leaf_type(kind):
        return name
    return (
        f"{name} {{ pageInfo {{ totalCount }} }}"
        if kind.name.endswith("Connection")
        else f"{name} {{ __typename }}"
    )


def test_data_survives_a_restart(tmp_path):
    first = Ion(tmp_path)
    first.make("Part", partNumber="P")
    first.ion.close()
    second = Ion(tmp_path)
    assert "P" == second.data("{ part(id: 1) { partNumber } }")["partNumber"]
    assert 1 == len(nodes(second.data("{ users { edges { node { id } } } }")))
    second.ion.close()


def test_json_with_another_order_of_members_changes_nothing(ion):
    written = [{"type": "p", "children": [{"text": "loose", "bold": True}]}]
    issue = ion.make("Issue", title="I", causeCondition=written)
    change = """mutation($e: String!, $c: SlateContent) {
      updateIssue(input: {id: 1, etag: $e, causeCondition: $c}) { issue { _etag } } }"""
    same = [{"children": [{"bold": True, "text": "loose"}], "type": "p"}]
    after = ion.data(change, e=issue["_etag"], c=same)
    assert issue["_etag"] == after["issue"]["_etag"]
    after = ion.data(change, e=issue["_etag"], c=[{**same[0], "type": "q"}])
    assert issue["_etag"] != after["issue"]["_etag"]


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ("{" + " ".join(f"a{n}: parts(first: 1) {{ edges {{ node {{ id }} }} }}" for n in range(800)) + "}", None),
        (
            "{ parts { edges { node {"
            + " ".join(f"a{n}: mboms {{ ...F }}" for n in range(1000))
            + "} } } } fragment F on MBom {"
            + " ".join(f"b{n}: id" for n in range(2000))
            + "}",
            "its fragments repeat too many fields",
        ),
        (
            "{ parts { edges { node { ...F0 } } } } fragment F900 on Part { id }"
            + "".join(f" fragment F{n} on Part {{ ...F{n + 1} }}" for n in range(900)),
            "nests its fragments too deeply",
        ),
    ],
    ids=["aliases", "repeated fragment", "chain of fragments"],
)  # fmt: skip
def test_long_documents_are_served_or_refused_with_a_reason(ion, document, error):
    answer = ion.ion.execute(document, {}, None, ADMIN)
    assert ("errors" in answer) == (error is not None)
    if error is not None:
        assert error in answer["errors"][0]["message"]
