"""Convert JSON values of documents to the typed cells of views, exports, the API and pages.

`cell` returns the cell of a value, or None if the value does not fit the column type. SQL never
decides this: values that do not fit are stored beside the document (`objects.invalid_values`).

- integer: a JSON number without fraction and exponent, from -2^63 to 2^63-1. The cell is an int.
- real: a JSON number; without fraction and exponent up to 2^53, so that none is rounded. The cell
  is a float, in CSV with the shortest digits that read back the same.
- boolean: true or false.
- time: a string `YYYY-MM-DD`, alone or with `Thh:mm:ss[.ffffff]` (or a space for T), without zone
  or with Z or an offset `±hh[:mm]` up to 14:59, in the years 1 to 9999 in UTC. The cell is RFC
  3339 in UTC with microseconds, in Parquet timestamp[us, UTC]. Without a zone it is UTC; a date is midnight.
- text: a string.
- id: an integer as above, or a string of up to 18 digits. The cell is a string.
- json: any value. The cell is compact JSON; JSON exports contain the value, and CSV a string
  without its quotes.

Null is null in JSON and Parquet, and an empty cell in CSV, where an empty string is `""`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from types import NoneType
from typing import Any

import msgspec

from ultraviolet.ion import attributes

MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)
MAX_EXACT_INTEGER = 2**53
"""Largest integer up to which a double represents every integer."""
_MAX_ID_DIGITS = 18
_SHOWN_TIME_CHARACTERS = len("2026-11-23T23:40:50.123456+00:00")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?"
    r"(?:Z|[+-](?:0\d|1[0-4])(?::[0-5]\d)?)?)?",
    re.ASCII,
)
_CERTAIN_TIME = re.compile(
    r"[1-9]\d{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    r"|(?:0[13578]|1[02])-31)"
    r"(?:T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|\+00:00)?)?",
    re.ASCII,
)
"""Times certainly valid, which need not be parsed."""
_CERTAIN_ID = re.compile(rf"\d{{1,{_MAX_ID_DIGITS}}}", re.ASCII)
_QUOTED = re.compile(r'[",\r\n]|^\s|\s$')
_NUMBER = re.compile(r"-\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters of formulas in spreadsheets."""
BYTE_ORDER_MARK = "\ufeff"
"""Marks a file as UTF-8 for spreadsheets."""

_encode = msgspec.json.Encoder().encode


def utc_text(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC with microseconds; UTC is assumed without a zone."""
    aware = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.isoformat(timespec="microseconds")


def _integer(value: Any) -> int | None:
    return value if type(value) is int and MIN_INTEGER <= value <= MAX_INTEGER else None


def _real(value: Any) -> float | None:
    if type(value) is float:
        return value
    return float(value) if type(value) is int and abs(value) <= MAX_EXACT_INTEGER else None


def _exactly(type_: type) -> Callable[[Any], Any]:
    """Return the function that returns values of exactly this type, and None for others."""

    def cell_of(value: Any) -> Any:
        return value if type(value) is type_ else None

    return cell_of


def _id(value: Any) -> str | None:
    if type(value) is str:
        digits = value.removeprefix("-")
        short = len(digits) <= _MAX_ID_DIGITS
        return value if short and digits.isascii() and digits.isdecimal() else None
    return None if _integer(value) is None else str(value)


def _time(value: Any) -> str | None:
    if type(value) is not str:
        return None
    as_shown = len(value) == _SHOWN_TIME_CHARACTERS and value.endswith("+00:00")
    # Python also accepts the hour 24, and weeks, as in 2026-W01-1.
    as_shown = as_shown and value[7] + value[10] + value[19] == "-T." and value[11:13] != "24"
    if not as_shown and not _TIME.fullmatch(value):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return value if as_shown else utc_text(moment)
    except (ValueError, OverflowError):  # invalid day or year
        return None


def _json(value: Any) -> str | None:
    return None if value is None else _encode(value).decode()


_CELLS: Mapping[str, Callable[[Any], Any]] = {
    "integer": _integer,
    "real": _real,
    "boolean": _exactly(bool),
    "time": _time,
    "text": _exactly(str),
    "id": _id,
    "json": _json,
}


_ALWAYS_FITS: Mapping[str, type] = {"text": str, "boolean": bool, "real": float}
_INTEGER_KINDS = frozenset({"integer", "id"})
_NUMBERS = {
    "integer": frozenset({int}),
    "id": frozenset({int}),
    "real": frozenset({int, float}),
}
_CERTAIN = {"time": _CERTAIN_TIME, "id": _CERTAIN_ID}
_ATTRIBUTE_FITS: Mapping[Any, type] = {
    type_: _ALWAYS_FITS[kind] for kind in _ALWAYS_FITS for type_ in attributes.types_of(kind)
}


def cell(kind: str, value: Any) -> Any:
    """Return the cell of a value in a column of this kind; None if it does not fit."""
    return _CELLS[kind](value)


def fits(kind: str, value: Any) -> bool:
    """Return whether a value fits a column of this kind; null always does."""
    if value is None or kind == "json":
        return True
    if kind == "time" and type(value) is str and _CERTAIN_TIME.fullmatch(value):
        return True
    return _CELLS[kind](value) is not None


def invalid_values(kinds: Mapping[str, str], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a document, with its attributes, that do not fit their columns."""
    found: dict[str, Any] = {}
    for field, value in document.items():
        kind = kinds.get(field, "json")
        if (
            value is None
            or kind == "json"
            or type(value) is _ALWAYS_FITS.get(kind)
            or (
                type(value) is int
                and kind in _INTEGER_KINDS
                and MIN_INTEGER <= value <= MAX_INTEGER
            )
        ):
            continue  # without calls, because most values do
        if not fits(kind, value):
            found[field] = value
    return found | invalid_attributes(document) if attributes.FIELD in document else found


def invalid_attributes(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of custom attributes that do not fit the type that ION states beside them."""
    found: dict[str, Any] = {}
    for name, row in attributes.rows(document):
        value, type_ = row.get("value"), row.get("type")
        if value is None or (type(type_) is str and type(value) is _ATTRIBUTE_FITS.get(type_)):
            continue
        if not fits(attributes.kind_of(type_), value):
            found[f"{attributes.PREFIX}{name}"] = value
    return found


def all_fit(
    kinds: Mapping[str, str], fields: Iterable[str], documents: Sequence[Mapping[str, Any]]
) -> bool:
    """Return whether all values of documents with the same fields fit, except custom attributes.

    It checks whole columns, which takes a fraction of the time of `invalid_values`.
    """
    columns = zip(*(document.values() for document in documents), strict=True)
    for field, values in zip(fields, columns, strict=True):
        kind = kinds.get(field, "json")
        if kind == "json":
            continue
        types = {*map(type, values)} - {NoneType}
        if types <= {_ALWAYS_FITS.get(kind)}:
            continue
        given = [value for value in values if value is not None]
        if types <= _NUMBERS.get(kind, frozenset()):
            most = MAX_EXACT_INTEGER if kind == "real" else MAX_INTEGER
            if -most <= min(given) and max(given) <= most:
                continue
        elif types == {str} and kind in _CERTAIN and all(map(_CERTAIN[kind].fullmatch, given)):
            continue
        if not all(fits(kind, value) for value in given):
            return False
    return True


def from_driver(value: Any) -> Any:
    """Return a value from a database driver as a cell, the same for both databases.

    Times become RFC 3339 text in UTC, whole decimals int, other decimals float, documents and
    arrays JSON text, and bytes hexadecimal digits.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    shown: Any = str(value)
    if isinstance(value, datetime):
        shown = utc_text(value)
    elif isinstance(value, date):
        shown = value.isoformat()
    elif isinstance(value, Decimal) and value.is_finite():
        shown = int(value) if value == value.to_integral_value() else float(value)
    elif isinstance(value, bytes | bytearray):
        shown = value.hex()
    elif isinstance(value, memoryview):
        shown = value.tobytes().hex()
    elif isinstance(value, dict | list):
        shown = _json(value)
    return shown


def json_value(kind: str, shown: Any) -> Any:
    """Return a cell for msgspec's JSON encoder."""
    if shown is None:
        return None
    if kind == "json":
        return msgspec.Raw(shown.encode())
    return bool(shown) if kind == "boolean" else shown


def csv_text(kind: str, shown: Any) -> str | None:
    """Return a cell as CSV text without quotes; None is null."""
    if shown is None:
        return None
    if kind == "boolean" or type(shown) is bool:
        return "true" if shown else "false"
    if kind == "json" and shown[0] == '"':
        return msgspec.json.decode(shown, type=str)
    if type(shown) is float:
        return repr(shown)
    return str(shown)


def spreadsheet_text(kind: str, shown: Any) -> str | None:
    """Return a cell as text that spreadsheets recognize: times in UTC, TRUE and FALSE, lists.

    A time at midnight is a date, and a whole number has no decimal point. The parts of a list are
    joined with semicolons.
    """
    if type(shown) is float and shown.is_integer() and abs(shown) <= MAX_EXACT_INTEGER:
        return str(int(shown))
    text = csv_text(kind, shown)
    if text is None:
        return None
    if kind == "time" and len(text) == _SHOWN_TIME_CHARACTERS:
        time_of_day = text[11:19]
        return text[:10] if time_of_day == "00:00:00" else f"{text[:10]} {time_of_day}"
    if kind == "boolean" or (kind != "json" and text in ("true", "false")):
        return text.upper()
    if kind == "json" and text.startswith("["):
        parts = msgspec.json.decode(text, type=list[Any])
        return "; ".join(
            part if isinstance(part, str) else _encode(part).decode() for part in parts
        )
    return text


def csv_line(texts: Iterable[str | None], *, for_spreadsheets: bool = False) -> str:
    """Return a line of CSV: null is empty, an empty text is `""`.

    For spreadsheets, a formula gets an apostrophe as prefix, which makes it text.
    """
    if for_spreadsheets:
        texts = (
            f"'{text}"
            if text and text.startswith(_FORMULA) and not _NUMBER.fullmatch(text)
            else text
            for text in texts
        )
    cells: list[str] = []
    for text in texts:
        if text is None or (text and not _QUOTED.search(text)):
            cells.append(text or "")
        else:
            cells.append('"' + text.replace('"', '""') + '"')
    return ",".join(cells) + "\r\n"


def parquet_value(kind: str, shown: Any) -> Any:
    """Return a cell for a pyarrow column of this kind."""
    if shown is None:
        return None
    if kind == "time":
        return datetime.fromisoformat(shown) if isinstance(shown, str) else shown
    return bool(shown) if kind == "boolean" else shown
