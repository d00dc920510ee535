"""Charts drawn on the server: from numbers to the places of bars and lines in an SVG."""

import math
from collections.abc import Sequence

import msgspec

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 440.0, 120.0, 44.0, 18.0, 8.0
_PLOT = HEIGHT - BOTTOM - TOP
_DECADES = (0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0)


class Rule(msgspec.Struct, frozen=True):
    """A line across, with what it stands for."""

    y: float
    label: str


class Bar(msgspec.Struct, frozen=True):
    """A column with its words."""

    x: float
    y: float
    width: float
    height: float
    title: str


class Chart(msgspec.Struct, frozen=True):
    """What a template draws; `says` is the chart in words."""

    says: str
    rules: list[Rule]
    marks: list[tuple[float, str]]
    """Places along the bottom."""
    bars: list[Bar] = []
    lines: list[str] = []
    """Paths, one for each series."""


def columns(values: Sequence[tuple[str, int]], says: str) -> Chart:
    """Draw counts over time, the newest at the right."""
    top = _round_up(max((value for _, value in values), default=0))
    step = (WIDTH - LEFT) / max(1, len(values))
    bars = [
        Bar(
            round(LEFT + number * step, 1),
            _linear(value, top),
            round(step * 0.78, 1),
            round(_PLOT * value / top, 1),
            f"{_clock(at)}: {value:,}",
        )
        for number, (at, value) in enumerate(values)
    ]
    rules = [Rule(_linear(value, top), f"{value:,}") for value in (0, top)]
    return Chart(
        says, rules, _marks([at for at, _ in values], step), bars=[bar for bar in bars if bar.height]
    )


def curves(times: Sequence[str], series: Sequence[Sequence[float | None]], says: str) -> Chart:
    """Draw seconds over time on a scale of decades; where nothing is known the line has a gap."""
    known = [value for line in series for value in line if value]
    low = max((d for d in _DECADES if d <= min(known, default=0.1)), default=_DECADES[0])
    high = min((d for d in _DECADES if d >= max(known, default=1.0)), default=_DECADES[-1])
    high = max(high, low * 10)
    step = (WIDTH - LEFT) / max(1, len(times))
    decades = [d for d in _DECADES if low <= d <= high]
    rules = [Rule(_logarithmic(d, low, high), seconds(d)) for d in decades]
    return Chart(says, rules, _marks(times, step), lines=[_path(line, step, low, high) for line in series])


def seconds(value: float) -> str:
    """Write a duration as people say it."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:  # noqa: PLR2004
        return f"{value:.1f} s" if value < 10 and value % 1 else f"{value:.0f} s"  # noqa: PLR2004
    if value < 3600:  # noqa: PLR2004
        return f"{value / 60:.0f} min"
    return f"{value / 3600:.1f} h" if value < 86400 else f"{value / 86400:.0f} days"  # noqa: PLR2004


def _path(line: Sequence[float | None], step: float, low: float, high: float) -> str:
    parts: list[str] = []
    for number, value in enumerate(line):
        if value is None:
            continue
        place = f"{LEFT + (number + 0.4) * step:.1f} {_logarithmic(value, low, high):.1f}"
        goes_on = number and line[number - 1] is not None
        parts.append(f"L{place}" if goes_on else f"M{place}h2")
    return "".join(parts)


def _marks(times: Sequence[str], step: float) -> list[tuple[float, str]]:
    quarter = max(1, len(times) // 4)
    return [
        (round(LEFT + number * step, 1), _clock(at))
        for number, at in enumerate(times)
        if number % quarter == 0
    ]


def _clock(at: str) -> str:
    return at[11:16]


def _linear(value: float, top: float) -> float:
    return round(TOP + _PLOT * (1 - value / top), 1)


def _logarithmic(value: float, low: float, high: float) -> float:
    share = math.log(max(value, low) / low) / math.log(high / low)
    return round(TOP + _PLOT * (1 - min(1.0, share)), 1)


def _round_up(value: int) -> int:
    """Give the next of 5, 10, 15, 20, 30, 50, 75, 100 and so on."""
    if value <= 5:  # noqa: PLR2004
        return 5
    size = 10 ** (len(str(value)) - 1)
    return next(round(size * part) for part in (1, 1.5, 2, 3, 5, 7.5, 10) if size * part >= value)
