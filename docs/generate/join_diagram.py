"""Draw the joins between views as SVG: a column of boxes per level, and an arrow per join."""

from collections.abc import Sequence
from html import escape

_BOX_HEIGHT = 28
_ROW_HEIGHT = 44
_CHARACTER_WIDTH = 7.3
_GAP = 70
_MARGIN = 16
_ARROW_HEAD = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7"'
    ' orient="auto"><path d="M0 0 8 4 0 8z" fill="#5a3bd0"/></marker></defs>'
)

Join = tuple[str, str]


def draw(names: Sequence[str], joins: Sequence[Join], title: str) -> str:
    """Return the diagram; each join is a pair of the joining view and its target."""
    levels = _levels(names, joins)
    columns = [
        [name for name in names if levels[name] == level]
        for level in range(max(levels.values()) + 1)
    ]
    # The targets are on the right, so that an arrow is read from left to right.
    columns.reverse()
    _order(columns, joins)
    widths = [max(len(name) for name in column) * _CHARACTER_WIDTH + 20 for column in columns]
    height = max(map(len, columns)) * _ROW_HEIGHT - (_ROW_HEIGHT - _BOX_HEIGHT) + 2 * _MARGIN
    places: dict[str, tuple[float, float, float]] = {}
    left = float(_MARGIN)
    for column, width in zip(columns, widths, strict=True):
        top = (height - (len(column) - 1) * _ROW_HEIGHT - _BOX_HEIGHT) / 2
        for row, name in enumerate(column):
            places[name] = (left, top + row * _ROW_HEIGHT, width)
        left += width + _GAP
    total = left - _GAP + _MARGIN
    lines = [_arrow(places[start], places[end]) for start, end in joins]
    boxes = [_box(name, *place) for name, place in places.items()]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {total:.0f} {height:.0f}" role="img"'
        ' font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12">'
    )
    return "\n".join(
        [
            svg,
            f"<title>{escape(title)}</title>",
            _ARROW_HEAD,
            '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>',
            *lines,
            *boxes,
            "</svg>",
        ]
    )


def _levels(names: Sequence[str], joins: Sequence[Join]) -> dict[str, int]:
    """Return the length of the longest path of joins from each view; a cycle counts once."""
    targets = {name: [end for start, end in joins if start == name] for name in names}

    def level(name: str, above: tuple[str, ...]) -> int:
        below = [one for one in targets[name] if one not in above]
        return max((level(one, (*above, one)) + 1 for one in below), default=0)

    return {name: level(name, (name,)) for name in names}


def _order(columns: list[list[str]], joins: Sequence[Join]) -> None:
    """Sort each column by the places of its targets, to avoid crossing arrows."""
    place = {name: n for column in columns for n, name in enumerate(column)}
    for column in reversed(columns):
        targets = {
            name: [place[end] for start, end in joins if start == name] or [place[name]]
            for name in column
        }
        column.sort(key=lambda name: sum(targets[name]) / len(targets[name]))
        place |= {name: n for n, name in enumerate(column)}


def _arrow(start: tuple[float, float, float], end: tuple[float, float, float]) -> str:
    x1, y1 = start[0] + start[2], start[1] + _BOX_HEIGHT / 2
    x2, y2 = end[0], end[1] + _BOX_HEIGHT / 2
    if x2 <= start[0]:  # the target of a cycle is on the same level or to the left
        x1, x2 = start[0], end[0] + end[2]
    middle = (x1 + x2) / 2
    return (
        f'<path d="M{x1:.0f} {y1:.0f}C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"'
        ' fill="none" stroke="#5a3bd0" stroke-width="1.3" marker-end="url(#arrow)"/>'
    )


def _box(name: str, left: float, top: float, width: float) -> str:
    return (
        f'<rect x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{_BOX_HEIGHT}" rx="6"'
        f' fill="#f1eefd" stroke="#858599"/><text x="{left + 10:.0f}" y="{top + 18:.0f}"'
        f' fill="#1a1a25">{escape(name)}</text>'
    )
