"""Responses with errors, and details that scripts rely on."""

from typing import Any

from tests.local_ion.in_process_ion import Ion, nodes, shared_ion

from ultraviolet.local_ion.auth.viewers import Viewer
from ultraviolet.local_ion.store import audit_log

ion = shared_ion()


def test_failed_root_field_keeps_the_others(ion: Ion) -> None:
    limited = Viewer(1, frozenset({"suppliers"}))
    query = "{ suppliers { edges { node { id } } } mine: me { id } hidden: parts { edges { node { id } } } }"
    answer = ion.execute(query, limited)
    assert {"suppliers": {"edges": []}, "mine": {"id": 1}, "hidden": None} == answer["data"]
    (error,) = answer["errors"]
    assert ("User does not have permission to read this resource.", ["hidden"]) == (
        error["message"],
        error["path"],
    )


def test_failed_mutation_keeps_the_others(ion: Ion) -> None:
    mutation = """mutation { a: createCurrency(input: {type: "CHF"}) { currency { type } }
      b: createCurrency(input: {type: "CHF"}) { currency { type } }
      c: createCurrency(input: {type: "SEK"}) { currency { type } } }"""
    answer = ion.execute(mutation)
    made = [answer["data"][name] for name in "abc"]
    assert [{"currency": {"type": "CHF"}}, None, {"currency": {"type": "SEK"}}] == made
    (error,) = answer["errors"]
    assert ["b"] == error["path"]
    assert "not unique" in error["message"]


def test_missing_object_is_null_in_queries_and_an_error_in_mutations(ion: Ion) -> None:
    assert ion.get("part", 999_999) is None
    assert "Part 999999 does not exist." == ion.mutation_error("updatePart", id=999_999, etag="x")
    assert "does not exist" in ion.mutation_error("createPartInventory", partId=999_999)


def test_list_without_paging_returns_everything(ion: Ion) -> None:
    made = [ion.create("Location", name=f"Bin {n}")["id"] for n in range(250)]
    page = ion.data(
        "{ locations(sort: [ID_ASC]) { edges { node { id } } pageInfo { hasNextPage count } } }"
    )
    assert made == [n["id"] for n in nodes(page)]
    assert {"hasNextPage": False, "count": 250} == page["pageInfo"]


def test_timeline_is_the_audit_log_of_its_object(ion: Ion) -> None:
    gina = ion.create_user("Gina")
    part = ion.create("Part", partNumber="T1")["id"]
    for n in range(3):
        ion.mutate(
            "updatePart", None, gina, id=part, etag=ion.etag("part", part), description=f"text {n}"
        )
    shown = """timeline { eventType timestamp actor { id } changedAttributes { field newValue }
      ... on PartEvents { newValues { description } } }"""
    events = ion.get("part", part, shown)["timeline"]
    logged = list(audit_log.actions_of_row(ion.ion.store.connection, "parts", str(part)))
    assert [_as_event(action) for action in logged] == [
        (e["eventType"], e["timestamp"], e["actor"]["id"], e["newValues"]["description"])
        for e in events
    ]
    assert ["UPDATE", "UPDATE", "UPDATE", "CREATE"] == sorted(
        (e["eventType"] for e in events), reverse=True
    )
    changes = [{"field": "description", "newValue": f"text {n}"} for n in range(3)]
    assert changes == [
        c
        for e in sorted(events, key=lambda e: e["timestamp"])
        if e["eventType"] == "UPDATE"
        for c in e["changedAttributes"]
        if c["field"] == "description"
    ]


def _as_event(action: audit_log.LoggedAction) -> tuple[Any, ...]:
    assert action.new_row is not None
    return action.action, action.action_tstamp, action.actor_id, action.new_row["description"]


def test_empty_cursor_starts_at_the_beginning(ion: Ion) -> None:
    made = [ion.create("Supplier", name=f"S{n}")["id"] for n in range(3)]
    query = """query($after: String) { suppliers(first: 2, after: $after, sort: [ID_ASC])
      { edges { node { id } } pageInfo { endCursor hasNextPage } } }"""
    page = ion.data(query, after="")
    assert (made[:2], True) == ([n["id"] for n in nodes(page)], page["pageInfo"]["hasNextPage"])
    page = ion.data(query, after=page["pageInfo"]["endCursor"])
    assert (made[2:], False) == ([n["id"] for n in nodes(page)], page["pageInfo"]["hasNextPage"])
