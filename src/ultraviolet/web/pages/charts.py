"""Charts drawn on the server: coordinates of bars and lines in an SVG, and the same numbers as a table."""

import math
from collections.abc import Callable, Sequence

import msgspec

WIDTH = 440.0
"""Width of the plot in its own units; the browser stretches it."""
PLOT_HEIGHT_PIXELS = 112.0
_DECADES = (0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0)
_WIDEST = 26.0
"""Maximum width of a bar."""
_FEW = 24
"""With more places, the table has only those with a value."""
_ROUND_TIMES = (("00:00", "06:00", "12:00", "18:00"), (":00", ":15", ":30", ":45"))
_ROUND = (1, 2, 4, 6, 8, 10)
"""Tops of a scale; the half of each is as round."""


class Series(msgspec.Struct, frozen=True):
    """One color with its label and its value at each position; None for unknown values."""

    name: str
    values: Sequence[float | None]
    color: int | None = None
    """The number of its color in every chart; None: by its place in this chart."""


class Rule(msgspec.Struct, frozen=True):
    """A horizontal line with its label."""

    y: float
    label: str


class Bar(msgspec.Struct, frozen=True):
    """A column, or a part of one, with the number of the color of its series."""

    x: float
    y: float
    width: float
    height: float
    series: int


class Chart(msgspec.Struct, frozen=True):
    """A chart for the template; `says` describes it in words, `rows` has its numbers."""

    says: str
    rules: list[Rule]
    marks: list[tuple[float, str]]
    """Labels of the horizontal axis, with their place in percent."""
    keys: list[str]
    rows: list[list[str]]
    """A place and its values; of many places only those with a value."""
    points: list[list[str]]
    """Every place and its values, for tooltips."""
    bars: list[Bar] = []
    lines: list[str] = []
    """Paths, one for each series."""
    colors: Sequence[int] = range(2)
    """The color of each series."""
    times: Sequence[str] = ()
    """The times of the places (RFC 3339); empty if they are not times of day."""


def count(value: float) -> str:
    """Return a count as text."""
    return f"{value:,.0f}"


def share(value: float) -> str:
    """Return a ratio as a percentage."""
    return f"{value:.0%}" if value in (0, 1) or value < 0.99 else f"{value:.1%}"  # noqa: PLR2004


def seconds(value: float) -> str:
    """Return a duration as text."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:  # noqa: PLR2004
        return f"{value:.1f} s" if value < 10 and value % 1 else f"{value:.0f} s"  # noqa: PLR2004
    if value < 3600:  # noqa: PLR2004
        return f"{value / 60:.0f} min"
    return f"{value / 3600:.1f} h" if value < 86400 else f"{value / 86400:.0f} days"  # noqa: PLR2004


def columns(
    places: Sequence[str],
    series: Sequence[Series],
    says: str,
    write: Callable[[float], str] = count,
    least: float = 4,
    times: Sequence[str] = (),
) -> Chart:
    """Draw values side by side, those of one place on top of each other; the scale reaches at least to `least`."""
    sums = [sum(line.values[n] or 0 for line in series) for n in range(len(places))]
    highest, top = max(sums, default=0), least
    if highest > least:  # the next of 4, 6, 8, 10, 20, 40 and so on, also below one
        size = 10 ** math.floor(math.log10(highest))
        top = next(size * part for part in _ROUND if size * part >= highest * 0.999_999)
    step = WIDTH / max(1, len(places))
    colors = [n if line.color is None else line.color for n, line in enumerate(series)]
    bars: list[Bar] = []
    for number in range(len(places)):
        below = 0.0
        for color, line in zip(colors, series, strict=True):
            value = line.values[number] or 0
            high, low = _linear(below + value, top), _linear(below, top)
            if value:
                left, width = round(number * step, 1), round(min(step * 0.78, _WIDEST), 1)
                bars.append(Bar(left, high, width, round(max(low - high, 0.7), 1), color))
            below += value
    rules = [Rule(_linear(v, top), write(v) if v else "0") for v in (0, top / 2, top)]
    rows, points = _table(places, series, write)
    keys = [line.name for line in series]
    drawn = Chart(says, rules, _marks(places), keys, rows, points, bars=bars, times=times)
    return msgspec.structs.replace(drawn, colors=colors)


def curves(
    places: Sequence[str],
    series: Sequence[Series],
    says: str,
    write: Callable[[float], str] = seconds,
    times: Sequence[str] = (),
) -> Chart:
    """Draw seconds on a scale of decades; where nothing is known the line has a gap."""
    known = [value for line in series for value in line.values if value]
    low = max((d for d in _DECADES if d <= min(known, default=0.1)), default=_DECADES[0])
    high = min((d for d in _DECADES if d >= max(known, default=1.0)), default=_DECADES[-1])
    high = max(high, low * 10)
    step = WIDTH / max(1, len(places))
    decades = [d for d in _DECADES if low <= d <= high]
    rules = [Rule(_logarithmic(d, low, high), write(d)) for d in decades]
    lines = [_path(line.values, step, low, high) for line in series]
    rows, points = _table(places, series, write)
    keys = [line.name for line in series]
    return Chart(says, rules, _marks(places), keys, rows, points, lines=lines, times=times)


def _table(
    places: Sequence[str], series: Sequence[Series], write: Callable[[float], str]
) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows of the table, and all points."""
    rows: list[list[str]] = []
    points: list[list[str]] = []
    for number, place in enumerate(places):
        values = [line.values[number] for line in series]
        point = [place, *("" if value is None else write(value) for value in values)]
        points.append(point)
        if any(values) or len(places) <= _FEW:
            rows.append(point)
    return rows, points


def _path(line: Sequence[float | None], step: float, low: float, high: float) -> str:
    parts: list[str] = []
    for number, value in enumerate(line):
        if value is None:
            continue
        place = f"{(number + 0.4) * step:.1f} {_logarithmic(value, low, high):.1f}"
        goes_on = number and line[number - 1] is not None
        parts.append(f"L{place}" if goes_on else f"M{place}h2")
    return "".join(parts)


def _marks(places: Sequence[str]) -> list[tuple[float, str]]:
    """Label about four places, at round times if there are some."""
    quarter = max(1, math.ceil(len(places) / 4))
    first = next(
        (
            number
            for times in _ROUND_TIMES
            for number, place in enumerate(places[:quarter])
            if place.endswith(times)
        ),
        0,
    )
    return [
        (round(100 * number / len(places), 1), places[number])
        for number in range(first, len(places), quarter)
    ]


def _linear(value: float, top: float) -> float:
    return round(PLOT_HEIGHT_PIXELS * (1 - value / top), 1)


def _logarithmic(value: float, low: float, high: float) -> float:
    part = math.log(max(value, low) / low) / math.log(high / low)
    return round(PLOT_HEIGHT_PIXELS * (1 - min(1.0, part)), 1)
