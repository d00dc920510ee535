"""Malformed answers of ION: a bad object blocks no other, nothing is deleted, every fetch ends."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from tests.hub.table_ion import CATALOG, open_database, open_store

from ultraviolet.db.database import Database
from ultraviolet.db.tables.sync import fetch_steps
from ultraviolet.hub.core.egress import LOOPBACK, EgressPolicy
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.sync import fetch, verification_store
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.fetch import Fetcher
from ultraviolet.hub.sync.heal import Healer
from ultraviolet.hub.sync.ion_reader import IonReader
from ultraviolet.hub.sync.verify import Verifier
from ultraviolet.ion.client import IonClient, RetryPolicy
from ultraviolet.ion.errors import IonUnreachableError
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.ion.rate_limiter import AdaptiveRateLimiter
from ultraviolet.mirror.observation import Origin
from ultraviolet.testing import LocalIonProcess
from ultraviolet.testing.answer_proxy import AnswerProxy, Raw, Rule

RESOURCES = ("parts", "suppliers", "locations", "purchase_orders")
QUICK = RetryPolicy(attempts=2, first_wait=0.01, longest_wait=0.02, whole_time=5)
Docs = dict[str, dict[str, Any]]


class Truth(dict[str, Docs]):
    """What ION shows without rules, by resource; with a short form for hypothesis to print."""

    def __repr__(self) -> str:
        return "Truth()"


class MirroredPlant:
    """A mirror of a local ION that is read through an answer proxy."""

    def __init__(self, database: Database, proxy: AnswerProxy, ion: LocalIonProcess) -> None:
        self.database = database
        self.proxy = proxy
        self.ion = ion
        self.catalog = CATALOG.following(RESOURCES)
        self.reader: IonReader | None = None

    def with_site(self, url: str, use: Callable[[SyncContext], Awaitable[Any]]) -> Any:
        async def story() -> Any:
            async with EgressPolicy(LOOPBACK).session() as session:
                client = IonClient(
                    url,
                    url,
                    self.ion.client_id,
                    self.ion.client_secret,
                    budget=AdaptiveRateLimiter(2000),
                    session=session,
                    retries=QUICK,
                )
                reader = IonReader(client, self.catalog, OfferedSchema.whole(CATALOG))
                return await use(SyncContext(self.database, self.catalog, 1, reader, PubSub()))

        return asyncio.run(story())

    def fetch(self, mode: Any = "full") -> dict[str, Any]:
        """Run a fetch to its end, as controllers do; return its steps by resource."""

        async def use(site: SyncContext) -> int:
            fetch_id = await site.database.write(fetch.request_fetch, 1, mode, "test")
            for _ in range(3):
                try:
                    await Fetcher(site).run(fetch_id, mode)
                except IonUnreachableError:
                    continue
                return fetch_id
            raise AssertionError("the fetch does not end")

        fetch_id = self.with_site(self.proxy.url, use)
        steps = fetch_steps.c
        query = fetch_steps.select().where(steps.fetch_id == fetch_id)
        return {
            row.resource: row for row in self.database.read_now(lambda c: c.execute(query).all())
        }

    def heal(self) -> None:
        async def use(site: SyncContext) -> None:
            healer = Healer(site)
            await healer.heal_batch()
            await healer.stop()

        self.with_site(self.proxy.url, use)

    def verify(self) -> str:
        async def use(site: SyncContext) -> str:
            number = await site.database.write(
                verification_store.request, 1, sample=None, requested_by="test"
            )
            await Verifier(site).run(number)
            return await site.database.read(_outcome, number)

        return self.with_site(self.proxy.url, use)

    def mirrored(self, resource: str) -> Docs:
        query = text("SELECT id, doc FROM objects WHERE resource = :r AND deleted_at IS NULL")
        rows = self.database.read_now(lambda c: c.execute(query, {"r": resource}).all())
        return {row.id: msgspec.json.decode(row.doc) for row in rows}

    def in_ion(self, resource: str) -> Docs:
        async def use(site: SyncContext) -> Docs:
            found: Docs = {}
            pages = site.reader.pages(self.catalog.resources[resource], None, Origin("verify"))
            async with aclosing(pages):
                async for page in pages:
                    found |= {o.id: o.fields for o in page.observations}
            return found

        return self.with_site(self.ion.url, use)


def _outcome(connection: Connection, number: int) -> str:
    """Return the differences that a verification found, or its state."""
    given = {"number": number}
    query = text("SELECT resource, id, kind FROM differences WHERE verification_id = :number")
    if found := connection.execute(query, given).all():
        return str(found)
    return connection.execute(
        text("SELECT state FROM verifications WHERE id = :number"), given
    ).scalar_one()


@pytest.fixture(scope="module")
def ion(local_ion_process: LocalIonProcess) -> LocalIonProcess:
    local_ion_process.rest()
    return local_ion_process


@pytest.fixture(scope="module")
def truth(ion: LocalIonProcess, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    database = open_store(tmp_path_factory.mktemp("truth"))
    with AnswerProxy(ion.url) as proxy:
        plant = MirroredPlant(database, proxy, ion)
        found = Truth({name: plant.in_ion(name) for name in RESOURCES})
    database.close()
    return found


@pytest.fixture
def plant(ion: LocalIonProcess, sqlite_url: str) -> Iterator[MirroredPlant]:
    database = open_database(sqlite_url)
    with AnswerProxy(ion.url) as proxy:
        yield MirroredPlant(database, proxy, ion)
    database.close()


def assert_equal_but_for(
    plant: MirroredPlant, truth: Truth, touched: Sequence[tuple[str, str]]
) -> None:
    for resource, docs in truth.items():
        spared = {id_ for name, id_ in touched if name == resource}
        held = plant.mirrored(resource)
        assert {i: d for i, d in docs.items() if i not in spared} == {
            i: d for i, d in held.items() if i not in spared
        }


TEXTS = {
    "half of a pair": (Raw(rb'"Valve \ud83d"'), "Valve \ufffd"),
    "second half": (Raw(rb'"\udc00 Valve"'), "\ufffd Valve"),
    "after a backslash": (Raw(rb'"C:\\\\\ud83d"'), "C:\\\\\ufffd"),
    "no pair but text": (Raw(rb'"\\ud83d"'), "\\ud83d"),
    "encoded half": (Raw(b'"Valve \xed\xa0\xbd"'), "Valve \ufffd"),
    "not UTF-8": (Raw(b'"Valve \xff"'), "Valve \ufffd"),
    "NUL": (Raw(rb'"Val\u0000ve"'), "Valve"),
    "raw control characters": (Raw(b'"a\x00\tb"'), "a\tb"),
    "NaN": (Raw(b"NaN"), "NaN"),
    "infinite": (Raw(b"-Infinity"), "-Infinity"),
    "too large a number": (Raw(b"1e999"), "1e999"),
    "a huge integer": (Raw(b"9" * 5000), "9" * 5000),
}


def test_invalid_unicode_is_replaced_and_all_objects_are_read(
    plant: MirroredPlant, truth: Truth, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = sorted(truth["parts"], key=int)
    cases = dict(zip(ids, TEXTS.values(), strict=False))
    plant.proxy.rules = [
        Rule("replace", resource="parts", id=id_, path="description", value=raw)
        for id_, (raw, _) in cases.items()
    ]
    steps = plant.fetch()
    plant.fetch()

    assert {"done"} == {step.state for step in steps.values()}
    held = plant.mirrored("parts")
    for id_, (_, expected) in cases.items():
        assert held[id_] == truth["parts"][id_] | {"description": expected}
    assert_equal_but_for(plant, truth, [("parts", id_) for id_ in cases])
    assert "done" == plant.verify()
    replaced = [c for c in cases.values() if "\ufffd" in c[1]]
    assert len(replaced) <= capsys.readouterr().out.count("ion.text_replaced") <= 3 * len(replaced)


def test_answer_may_begin_with_a_byte_order_mark(plant: MirroredPlant, truth: Truth) -> None:
    part = next(part for part in truth["parts"].values() if not part["partSubtypes"])
    page: dict[str, Any] = {
        "edges": [{"node": {**part, "attributes": []}}],
        "pageInfo": {"hasNextPage": False},
    }
    body = b"\xef\xbb\xbf" + msgspec.json.encode({"data": {"page": page}})
    plant.proxy.rules = [Rule("respond", resource="parts", body=body)]
    assert "done" == plant.fetch()["parts"].state
    assert [str(part["id"])] == list(plant.mirrored("parts"))


ODD: dict[str, tuple[str, Any, bool]] = {
    "attributes with null": ("attributes", [None], True),
    "attributes as text": ("attributes", "none", False),
    "attributes of texts": ("attributes", ["a", 1], False),
    "attribute without key": ("attributes", [{"value": 1}], False),
    "list as number": ("requirements", 5, False),
    "list of lists": ("requirements", [[1]], False),
    "list with null": ("requirements", [None], True),
    "object as scalar": ("description", {"a": [1]}, True),
    "number as list": ("leadTime", [1, None], True),
    "key as object": ("supplierId", {"id": {}}, True),
    "time as number": ("_updated", 17, True),
    "time as object": ("_updated", {"at": 1}, True),
    "no time": ("_updated", "next tuesday", True),
    "id as object": ("id", {}, False),
    "id as null": ("id", None, False),
    "id as boolean": ("id", True, False),
    "another id": ("id", 999_999, False),
    "deeply nested": ("description", Raw(b"[" * 300 + b"]" * 300), False),
    "endlessly nested": ("description", Raw(b"[" * 100_000), False),
}


def test_value_of_an_unexpected_type_blocks_no_other_object(
    plant: MirroredPlant, truth: Truth
) -> None:
    ids = sorted(truth["parts"], key=int)
    last = ids[-1]
    for name, (path, value, readable) in ODD.items():
        plant.proxy.rules = [Rule("replace", resource="parts", id=last, path=path, value=value)]
        step = plant.fetch()["parts"]
        assert (name, readable) == (name, step.state == "done")
        held = plant.mirrored("parts")
        assert ids[:-1] == sorted(held.keys() & set(ids[:-1]), key=int), name
        if not readable and path != "id":
            assert f"parts {last}" in step.error, name
            assert path in step.error or isinstance(value, Raw), name
    plant.proxy.rules = []
    assert "done" == plant.fetch()["parts"].state
    assert_equal_but_for(plant, truth, [])
    assert "done" == plant.verify()


@pytest.mark.parametrize("change", ["null_edge", "null_node"])
def test_null_instead_of_an_object_does_not_prove_absence(
    plant: MirroredPlant, truth: Truth, change: Any
) -> None:
    plant.fetch()
    ids = sorted(truth["parts"], key=int)
    chosen = [ids[0], ids[4], ids[-1]]
    plant.proxy.rules = [Rule(change, resource="parts", id=id_) for id_ in chosen]
    for mode in ("full", "incremental", "full"):
        step = plant.fetch(mode)["parts"]
        if mode == "full":
            assert "failed" == step.state
            assert any(f"parts {id_} could not be read" in step.error for id_ in chosen)
        plant.heal()
        assert_equal_but_for(plant, truth, [])
    plant.proxy.rules = []
    assert "done" == plant.fetch()["parts"].state
    assert "done" == plant.verify()


def test_slightly_short_lists_delete_nothing(plant: MirroredPlant, truth: Truth) -> None:
    plant.fetch()
    count = sum(map(len, truth.values()))
    hidden = [(name, id_) for name in RESOURCES for id_ in sorted(truth[name], key=int)[::3]]
    assert len(hidden) > max(20, count / 10)
    plant.proxy.rules = [Rule("drop", resource=name, id=id_) for name, id_ in hidden]
    steps = plant.fetch()
    assert "failed" in {step.state for step in steps.values()}
    assert "Nothing was deleted" in next(s.error for s in steps.values() if s.error)
    assert_equal_but_for(plant, truth, [])


POISON = {
    "error": Rule("respond", status=500, body=b"no"),
    "not JSON": Rule("respond", body=b"<html></html>", headers={"content-type": "text/html"}),
    "truncated": Rule("truncate", keep_bytes=200),
    "endless": Rule("bomb", size_bytes=64 * 1024 * 1024),
    "GraphQL error": Rule(
        "respond", body=b'{"data": {"page": null}, "errors": [{"message": "timed out"}]}'
    ),
}


@pytest.mark.parametrize("name", POISON)
def test_object_that_breaks_every_answer_blocks_no_other(
    plant: MirroredPlant, truth: Truth, name: str
) -> None:
    poisonous = sorted(truth["parts"], key=int)[5]
    rule = POISON[name]
    fields = {
        n: getattr(rule, n) for n in ("status", "body", "headers", "keep_bytes", "size_bytes")
    }
    plant.proxy.rules = [
        Rule(rule.change, operation="description", resource="parts", id=poisonous, **fields)
    ]
    steps = plant.fetch()
    assert "failed" == steps["parts"].state
    assert f"parts {poisonous} could not be read" in steps["parts"].error
    assert_equal_but_for(plant, truth, [("parts", poisonous)])
    plant.proxy.rules = []
    assert "done" == plant.fetch("incremental")["parts"].state
    assert_equal_but_for(plant, truth, [])


@pytest.mark.parametrize(
    "rule",
    [
        Rule("replace", path="data.page.pageInfo.hasNextPage", value=True),
        Rule("replace", path="data.page.pageInfo.hasNextPage", value="no"),
        Rule("replace", path="data.page.pageInfo", value=None),
        Rule("drop", path="data.page.pageInfo"),
        Rule("replace", path="data.page.pageInfo.totalCount", value=-5),
        Rule("replace", path="data.page.pageInfo.totalCount", value=10**30),
        Rule("replace", path="data.page.edges", value=None),
        Rule("replace", path="data.page.edges", value={}),
        Rule("replace", path="data.page", value=[]),
        Rule("replace", path="data", value=[]),
        Rule("replace", path="data", value="x"),
        Rule("duplicate", resource="parts"),
        Rule("replace", resource="parts", path="id", value=1),
    ],
    ids=lambda rule: f"{rule.change}-{rule.path}-{rule.value}",
)
def test_fetch_ends_despite_invalid_page_info(
    plant: MirroredPlant, truth: Truth, rule: Rule
) -> None:
    plant.fetch()
    plant.proxy.rules = [rule]
    plant.fetch()
    plant.fetch("incremental")
    for resource, docs in truth.items():
        assert docs.keys() <= plant.mirrored(resource).keys()
    plant.proxy.rules = []
    assert "done" == plant.fetch()["parts"].state
    assert_equal_but_for(plant, truth, [])


VALUES = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        10**30,
        "",
        "\0",
        "text",
        [],
        [None],
        {},
        {"id": None},
        Raw(b"NaN"),
        Raw(rb'"\ud83d"'),
    ]
)
FIELDS = st.sampled_from(
    ["description", "attributes", "_updated", "_etag", "name", "labels", "status", "partNumber"]
)


@st.composite
def rules(draw: Any) -> Rule:
    resource = draw(st.sampled_from(RESOURCES[:3]))
    place = draw(st.integers(0, 40))
    change = draw(
        st.sampled_from(
            [
                "replace",
                "replace",
                "drop",
                "null_node",
                "null_edge",
                "duplicate",
                "truncate",
                "respond",
            ]
        )
    )
    # A row that is left out of every answer, by id as well, is absent for every reader; so only values are dropped.
    path = draw(FIELDS) if change in ("replace", "drop") else ""
    return Rule(
        change,
        operation="_updated" if change in ("truncate", "respond") else "",
        resource=resource,
        id=str(place),
        path=path,
        value=draw(VALUES) if change == "replace" else None,
        status=draw(st.sampled_from([200, 302, 404, 500])),
        count=draw(st.sampled_from([None, None, 1, 3])),
    )


@given(drawn=st.lists(rules(), max_size=4), first=st.booleans())
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
def test_any_rules_leave_other_objects_equal_and_delete_nothing(
    ion: LocalIonProcess,
    truth: Truth,
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[Rule],
    first: bool,
) -> None:
    ids = {name: sorted(docs, key=int) for name, docs in truth.items()}
    chosen = [
        dataclasses.replace(rule, id=of[int(rule.id or 0) % len(of)])
        for rule in drawn
        for of in [ids[rule.resource or ""]]
    ]
    touched = [(rule.resource or "", rule.id or "") for rule in chosen]
    database = open_store(tmp_path_factory.mktemp("any"))
    with AnswerProxy(ion.url) as proxy:
        plant = MirroredPlant(database, proxy, ion)
        if not first:
            plant.fetch()
        proxy.rules = chosen
        plant.fetch()
        assert_equal_but_for(plant, truth, touched)
        if not first:
            for resource, docs in truth.items():
                assert docs.keys() == plant.mirrored(resource).keys()
        proxy.rules = []
        plant.fetch()
        assert_equal_but_for(plant, truth, [])
        assert "done" == plant.verify()
    database.close()
