"""`local-ion-plant`: creation, start, last page and memory of a plant of 200,000 objects.

`--size 5` measures a million objects.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from bench.frame import Budget, Figure, Scale, expect, figure
from bench.local_ion import FIELDS, PAGE
from bench.processes import resident_megabytes
from bench.wire import Connection, request
from ultraviolet.testing import LocalIonProcess, running_local_ion

OBJECTS = 200_000
PAGE_SIZE = 500
COUNT = "{ purchaseOrderLines(first: 1) { pageInfo { totalCount } } }"


class Lines(msgspec.Struct):
    """The ids of a page of order lines."""

    ids: list[int]

    @classmethod
    def of(cls, body: bytes) -> "Lines":
        """Decode a page."""
        edges = msgspec.json.decode(body)["data"]["purchaseOrderLines"]["edges"]
        return cls([edge["node"]["id"] for edge in edges])


def measure(scale: Scale) -> list[Figure]:
    """Create and measure a plant."""
    objects = scale.amount(OBJECTS)
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "ion"
        began = time.perf_counter()
        with running_local_ion(data, ["--size", str(objects)], seconds=7200):
            made = time.perf_counter() - began
        note = f"{objects:,} objects, created in {made:,.0f} s: {objects / made:,.0f} objects/s"
        small = Path(directory) / "small"
        _start(small, "--size", "500")
        return measured(data, small, scale, note)


def measured(data: Path, small_data: Path, scale: Scale, note: str) -> list[Figure]:
    """Measure an existing plant, with a small one as baseline."""
    starts = [(_start(data), _start(small_data)) for _ in range(scale.repeats)]
    with running_local_ion(data, seconds=600) as ion:
        pages = _Pages(ion)
        small, large, last = pages.through()
        first_rates, last_rates = pages.compared(scale, last)
    ends = figure(
        "local-ion-plant: end",
        "sqlite",
        "pages/s",
        last_rates,
        baseline=first_rates,
        budget=Budget("at least", 0.8),
        note=f"{PAGE_SIZE} nodes × 20 fields: last page of the order lines; baseline: first page",
    )
    return [
        figure(
            "local-ion-plant: start",
            "sqlite",
            "s",
            [large_start for large_start, _ in starts],
            baseline=[small_start for _, small_start in starts],
            budget=Budget("at most", 1.5),
            note=f"{note}; baseline: a plant of 500",
        ),
        ends,
        figure(
            "local-ion-plant: memory",
            "sqlite",
            "MB",
            [large],
            baseline=[small],
            budget=Budget("at most", 1.3),
            note="after all order lines; baseline: after the first tenth",
        ),
    ]


def _start(data: Path, *options: str) -> float:
    began = time.perf_counter()
    with running_local_ion(data, options, seconds=600):
        return time.perf_counter() - began


class _Pages:
    """Pages of order lines by key, over one connection."""

    def __init__(self, ion: LocalIonProcess) -> None:
        self._ion = ion
        self._document = PAGE.replace("FIELDS", FIELDS)

    def _ask(self, connection: Connection, last: int) -> bytes:
        asked: dict[str, Any] = {"last": str(last), "first": PAGE_SIZE}
        wanted = {"query": self._document, "variables": asked}
        connection.send(
            request(f"{self._ion.url}/graphql", wanted, {"authorization": self._ion.token()})
        )
        status, body = connection.receive()
        expect("status", 200, status)
        return body

    def through(self) -> tuple[float, float, int]:
        """Read all pages; return the memory after a tenth and at the end, and the last cursor."""
        total = self._ion.execute(COUNT)["purchaseOrderLines"]["pageInfo"]["totalCount"]
        connection, pid = Connection(self._ion.url), self._ion.child.process.pid
        seen, last, before, small = 0, 0, 0, 0.0
        while ids := Lines.of(self._ask(connection, last)).ids:
            before, last, seen = last, ids[-1], seen + len(ids)
            if not small and seen * 10 >= total:
                small = resident_megabytes(pid)
        connection.close()
        expect("order lines", total, seen)
        return small, resident_megabytes(pid), before

    def compared(self, scale: Scale, last: int) -> tuple[list[float], list[float]]:
        """Return the rates of the first and the last page, requested in turn."""
        connection, number = Connection(self._ion.url), scale.amount(100, 3)
        rates: tuple[list[float], list[float]] = ([], [])
        for _ in range(scale.repeats):
            spent = [0.0, 0.0]
            for _ in range(number):
                for place, key in enumerate((0, last)):
                    began = time.perf_counter()
                    self._ask(connection, key)
                    spent[place] += time.perf_counter() - began
            for place, seconds in enumerate(spent):
                rates[place].append(number / seconds)
        connection.close()
        return rates
