"""ION serves every member of its filters and every value of its sort orders, and no others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLInputType, get_named_type
from tests.local_ion.in_process_ion import Ion

from ultraviolet.ion.catalog import load_catalog

LISTS = sorted(r.list for r in load_catalog().resources.values() if r.list and r.list != "logs")


@pytest.fixture(scope="module")
def ion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ion]:
    """An ION without objects."""
    ion = Ion(Path(tmp_path_factory.mktemp("ion")))
    yield ion
    ion.ion.close()


def _filters(kind: GraphQLInputType, depth: int = 1) -> Iterator[str]:
    """Yield a filter of each member, also of related objects."""
    kind = get_named_type(kind)
    assert isinstance(kind, GraphQLInputObjectType)
    for name, field in kind.fields.items():
        member = get_named_type(field.type)
        if name in {"or_", "and_"}:
            yield (
                f"{{{name}: [{{id: {{isnull: true}}}}, {{id: {{isnull: false}}}}]}}"
                if ("id" in kind.fields)
                else "{}"
            )
        elif isinstance(member, GraphQLInputObjectType) and "isnull" in member.fields:
            yield f"{{{name}: {{isnull: true}}}}"
        elif depth and isinstance(member, GraphQLInputObjectType):
            for inner in _filters(member, depth - 1):
                yield f"{{{name}: {inner}}}"


def test_review_requests_lack_the_values_of_reviews(ion: Ion) -> None:
    """ION declares the filter of reviews for them."""
    procedure = ion.mutate("createProcedure", title="Reviewed")["procedure"]["id"]
    made = ion.mutate("createReviewRequest", procedureId=procedure, reviewerId=1)["reviewRequest"][
        "id"
    ]

    def found(filters: str) -> list[int]:
        query = f"{{ reviewRequests(filters: {{{filters}}}) {{ edges {{ node {{ id }} }} }} }}"
        return [edge["node"]["id"] for edge in ion.data(query)["edges"]]

    assert found("comment: {isnull: true}, reviewer: {id: {eq: 1}}") == [made]
    assert found(
        'procedure: {title: {eq: "Reviewed"}, reviewRequests: {status: {isnull: false}}}'
    ) == [made]
    assert found('or_: [{comment: {eq: "x"}}, {step: {id: {gt: 0}}}, {depth: {gt: 0}}]') == []


@pytest.mark.parametrize("name", LISTS)
def test_every_filter_and_order_is_served(ion: Ion, name: str) -> None:
    """Each filter and each order of a list is valid, and answers without errors."""
    query = ion.ion.schema.query_type
    assert query is not None
    arguments = query.fields[name].args
    given = [f"filters: {text}" for text in _filters(arguments["filters"].type)]
    if "sort" in arguments:
        order = get_named_type(arguments["sort"].type)
        assert isinstance(order, GraphQLEnumType)
        given += [f"sort: [{value}]" for value in order.values]
        given += [f"distinctOn: [{value}]" for value in order.values]
    aliases = " ".join(
        f"a{i}: {name}(first: 1, {text}) {{ edges {{ node {{ __typename }} }} }}"
        for i, text in enumerate(given)
    )
    answer = ion.execute(f"{{ {aliases} }}")
    messages = {e["message"] for e in answer.get("errors", ())}
    assert not messages


def test_computed_key_and_its_object_agree(ion: Ion) -> None:
    part = ion.create("Part", partNumber="AGREE-1")["id"]
    item = ion.create("PartInventory", partId=part, quantity=1)["id"]
    issue = ion.mutate("createIssue", title="Scratched", partInventoryIds=[item])["issue"]["id"]
    shown = ion.get("issue", issue, "partInventoryId partInventory { id part { partNumber } }")
    assert shown == {
        "partInventoryId": item,
        "partInventory": {"id": item, "part": {"partNumber": "AGREE-1"}},
    }
    mbom = ion.mutate("createMbom", partId=part)["mbom"]["id"]
    wanted = "approvalRequest { reviewerId reviewer { id } }"
    given = {"mbomId": mbom, "roleId": 1, "gateType": "RELEASED", "assignedToId": 1}
    asked = ion.mutate("createMbomApprovalRequest", wanted, **given)
    assert asked == {"approvalRequest": {"reviewerId": 1, "reviewer": {"id": 1}}}
    child = ion.create("Part", partNumber="AGREE-2")["id"]
    wanted = "mbomItem { parentId parent { id } }"
    made = ion.mutate("createMbomItem", wanted, parentId=part, partId=child, quantity=1)
    assert made == {"mbomItem": {"parentId": part, "parent": {"id": part}}}
    (found,) = ion.list_all("mbomItems", "partId", parent={"partNumber": {"eq": "AGREE-1"}})
    assert found == {"partId": child}
