"""A GraphQL client with rows in memory, and with failures of single requests."""

import operator
import re
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from sqlalchemy import insert, text

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.sync.context import RecentlyViewed, SyncContext
from ultraviolet.hub.sync.ion_reader import IonReader
from ultraviolet.ion import catalog
from ultraviolet.ion.client import Result, RetryPolicy
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.mirror.apply import mark_stale
from ultraviolet.mirror.observation import Mark

CATALOG = catalog.load_catalog()
_ALIAS = re.compile(r"(a\d+): (\w+)\(filters: \$")
_PAGE = re.compile(r"page: (\w+)\(")
BEGIN = "2026-01-01T00:00:00.000000+00:00"


class TableIon:
    """Answers like ION's API; `override` may raise or answer instead, by requested ids."""

    def __init__(self, rows: dict[str, dict[int, dict[str, Any]]]) -> None:
        self.rows = {CATALOG.resources[name].list: of for name, of in rows.items()}
        self.requests: list[list[int]] = []
        self.override: Callable[[list[int]], Result | None] = lambda ids: None

    async def execute(
        self,
        document: str,
        variables: Any = None,
        *,
        repeatable: bool = True,
        retries: RetryPolicy | None = None,
    ) -> Result:
        if "__typename" in document:
            return Result({"__typename": "Query"})
        if document.startswith("query Newest"):
            return Result({"page": self._newest(_PAGE.findall(document)[0])})
        asked = {
            alias: (root, variables[alias]["id"]["in"]) for alias, root in _ALIAS.findall(document)
        }
        ids = [int(id_) for _, wanted in asked.values() for id_ in wanted]
        self.requests.append(ids)
        instead = self.override(ids)
        if instead is not None:
            return instead
        if asked:
            return Result(
                {
                    alias: self._edges(root, {int(i) for i in w})
                    for alias, (root, w) in asked.items()
                }
            )
        by = _changed if "_UPDATED_ASC" in document else _id
        return Result({"page": self._page(_PAGE.findall(document)[0], variables, by)})

    def _edges(self, root: str, wanted: set[int]) -> dict[str, Any]:
        return answer(node for id_, node in self.rows.get(root, {}).items() if id_ in wanted)

    def _newest(self, root: str) -> dict[str, Any]:
        nodes = sorted(self.rows.get(root, {}).values(), key=_changed)
        return {"edges": [{"node": node} for node in nodes[-1:]]}

    def _page(
        self, root: str, variables: dict[str, Any], by: Callable[[Any], Any]
    ) -> dict[str, Any]:
        nodes = sorted(self.rows.get(root, {}).values(), key=by)
        found = [node for node in nodes if _passes(node, variables.get("filters") or {})]
        shown = found[: variables["first"]]
        info = {"hasNextPage": len(found) > len(shown), "totalCount": len(found)}
        return {"edges": [{"node": deepcopy(node)} for node in shown], "pageInfo": info}


def answer(nodes: Iterable[dict[str, Any] | None], *, more: bool = False) -> dict[str, Any]:
    """Return a list as ION answers it; None represents an object that could not be shown."""
    return {
        "edges": [{"node": deepcopy(node)} for node in nodes],
        "pageInfo": {"hasNextPage": more},
    }


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "in": lambda value, wanted: value in wanted,
}


def _passes(node: dict[str, Any], filters: dict[str, Any]) -> bool:
    either = filters.get("or_")
    if either:
        return any(_passes(node, one) for one in either)
    return all(
        _COMPARISONS[how](node[name], than if how == "in" else type(node[name])(than))
        for name, wanted in filters.items()
        for how, than in wanted.items()
    )


def _id(node: dict[str, Any]) -> int:
    return node["id"]


def _changed(node: dict[str, Any]) -> tuple[str, int]:
    return node["_updated"], node["id"]


def row(id_: int, **fields: Any) -> dict[str, Any]:
    return {"id": id_, "_updated": BEGIN, **fields}


def make_site(database: Database, ion: TableIon, only: set[str] | None = None) -> SyncContext:
    """Return a context that reads this ION, which offers only the resources in `only`."""
    whole = OfferedSchema.whole(CATALOG)
    types = dict(whole.types)
    if only:
        types["Query"] = frozenset(CATALOG.resources[name].list or "" for name in only)
    reader = IonReader(ion, CATALOG, OfferedSchema(types))
    return SyncContext(database, CATALOG, 1, reader, PubSub(), RecentlyViewed())


def open_store(path: Any) -> Database:
    """Open an SQLite database with one integration."""
    return open_database(f"sqlite:///{path / 'hub.db'}")


def open_database(url: str) -> Database:
    """Open an empty hub database and insert one integration."""
    database = Database.open(url)
    values = {
        "id": 1,
        "name": "plant",
        "api_url": "x",
        "auth_url": "x",
        "client_id": "x",
        "client_secret": b"",
    }
    values |= {
        "incremental_schedule": "* * * * *",
        "full_schedule": "* * * * *",
        "requests_per_second": 9,
    }
    values |= {"created_at": now_rfc3339(), "updated_at": now_rfc3339()}
    database.write_now(lambda c: c.execute(insert(integrations), values) and None)
    return database


def mark(database: Database, resource: str, ids: Any, reason: str = "event") -> None:
    marks = [Mark(resource, str(id_), reason, now_rfc3339()) for id_ in ids]
    database.write_now(mark_stale, 1, marks)


def select_all(database: Database, query: str) -> list[Any]:
    return database.read_now(lambda c: list(c.execute(text(query))))
