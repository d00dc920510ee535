"""What a benchmark is given and gives: how much to measure; figures in pairs with their baseline, the budget each has, and the table of them all."""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table

from bench.stores import Name, NewDatabase, stores


class LossyRunError(Exception):
    """The run lost or falsified something, so that its speed means nothing."""


class Scale(msgspec.Struct, frozen=True):
    """How much to measure: how often, and how much of everything; `size` is 1 for the real figures."""

    repeats: int = 3
    size: float = 1.0
    store: Name | None = None
    """The only store to measure on; both without one."""

    def of(self, number: int, least: int = 1) -> int:
        """Give a number of things at this scale."""
        return max(least, int(number * self.size))


class Budget(msgspec.Struct, frozen=True):
    """What is asked of a ratio, or of the figure itself where there is no baseline."""

    kind: Literal["at least", "at most"]
    limit: float
    of: Literal["ratio", "figure"] = "ratio"

    def met(self, value: float) -> bool:
        """Tell whether a value is within it."""
        return value >= self.limit if self.kind == "at least" else value <= self.limit

    def __str__(self) -> str:
        """Write it as the table shows it."""
        return f"{'≥' if self.kind == 'at least' else '≤'} {self.limit:g}{' (figure)' if self.of == 'figure' else ''}"


class Spread(msgspec.Struct, frozen=True):
    """Several runs of one measurement."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Sum up some values."""
        return cls(min(values), median(values), max(values))


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    name: str
    store: str
    unit: str
    figure: Spread
    baseline: Spread | None = None
    ratio: Spread | None = None
    budget: str = ""
    met: bool | None = None
    note: str = ""


def figure(
    name: str,
    store: str,
    unit: str,
    values: Sequence[float],
    *,
    baseline: Sequence[float] = (),
    budget: Budget | None = None,
    note: str = "",
) -> Figure:
    """Judge values, each beside the baseline measured next to it; the median decides."""
    judged = Spread.of(values)
    ratio = Spread.of([v / b for v, b in zip(values, baseline, strict=True)]) if baseline else None
    return Figure(
        name=name,
        store=store,
        unit=unit,
        figure=judged,
        baseline=Spread.of(baseline) if baseline else None,
        ratio=ratio,
        budget="" if budget is None else str(budget),
        met=None
        if budget is None
        else budget.met((ratio if ratio and budget.of == "ratio" else judged).median),
        note=note,
    )


def expect(what: str, expected: object, actual: object) -> None:
    """Hold a run to what it had to do; raises LossyRunError."""
    if expected != actual:
        raise LossyRunError(f"{what}: expected {expected!r}, got {actual!r}")


Benchmark = Callable[[Scale], list[Figure]]


def on_each_store(
    scale: Scale, measured: Callable[[str, Path, NewDatabase, Scale], Iterable[Figure]]
) -> list[Figure]:
    """Measure on either store, each with a folder of its own, which is not made yet."""
    with tempfile.TemporaryDirectory() as directory, stores(scale.store) as found:
        return [
            made
            for store, new in found.items()
            for made in measured(store, Path(directory) / store, new, scale)
        ]


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the one table."""
    table = Table(
        caption="each figure as median (min–max) of the run; a ratio is to the baseline beside it"
    )
    for title in ("name", "store", "figure", "baseline", "ratio", "budget", "met"):
        table.add_column(title, overflow="fold")
    marks: Mapping[bool | None, str] = {True: "yes", False: "NO", None: ""}
    for each in figures:
        table.add_row(
            each.name,
            each.store,
            f"{_spread(each.figure)} {each.unit}" + (f"\n{each.note}" if each.note else ""),
            _spread(each.baseline),
            _spread(each.ratio),
            each.budget,
            marks[each.met],
        )
    console.print(table)


def _spread(spread: Spread | None) -> str:
    return (
        ""
        if spread is None
        else f"{_number(spread.median)} ({_number(spread.least)}–{_number(spread.most)})"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
