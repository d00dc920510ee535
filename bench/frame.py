"""Scale, figures, budgets and the result table of benchmarks."""

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
    """The run lost or changed data, so its speed has no meaning."""


class Scale(msgspec.Struct, frozen=True):
    """Number of runs and amount of data; `size` is 1 for the documented figures."""

    repeats: int = 3
    size: float = 1.0
    store: Name | None = None
    """The only database to measure on, or None for both."""

    def amount(self, number: int, least: int = 1) -> int:
        """Return an amount at this scale."""
        return max(least, int(number * self.size))


class Budget(msgspec.Struct, frozen=True):
    """A limit of a ratio, or of a figure without baseline."""

    kind: Literal["at least", "at most"]
    limit: float
    of: Literal["ratio", "figure"] = "ratio"

    def met(self, value: float) -> bool:
        """Return whether a value meets the budget."""
        return value >= self.limit if self.kind == "at least" else value <= self.limit

    def __str__(self) -> str:
        """Return the budget as shown in the table."""
        return f"{'≥' if self.kind == 'at least' else '≤'} {self.limit:g}{' (figure)' if self.of == 'figure' else ''}"


class Spread(msgspec.Struct, frozen=True):
    """Minimum, median and maximum of several runs."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of values."""
        return cls(min(values), median(values), max(values))


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

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
    """Compare values with their baselines; the median decides about the budget."""
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


def expect(subject: str, expected: object, actual: object) -> None:
    """Raise LossyRunError if a result differs from the expected one."""
    if expected != actual:
        raise LossyRunError(f"{subject}: expected {expected!r}, got {actual!r}")


Benchmark = Callable[[Scale], list[Figure]]


def on_each_database(
    scale: Scale, measured: Callable[[str, Path, NewDatabase, Scale], Iterable[Figure]]
) -> list[Figure]:
    """Measure on each database, with a new directory path for each."""
    with tempfile.TemporaryDirectory() as directory, stores(scale.store) as found:
        return [
            made
            for store, new in found.items()
            for made in measured(store, Path(directory) / store, new, scale)
        ]


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the table."""
    table = Table(caption="figures: median (min–max) of the runs; ratio: figure / baseline")
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
