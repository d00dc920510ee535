"""Encode and decode the bodies of deliveries.

ION does not document a complete body (assumed, see docs/ion-compatibility.md). Decoding needs only
a hint of the resource and an id, uses everything else it recognizes, and never fails.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

import msgspec

from ultraviolet import clock
from ultraviolet.ion import answers
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import VALUE_NAMES, Field, Resource
from ultraviolet.ion.naming import plain

Row = dict[str, Any]

_ACTIONS = {
    "CREATE": ("create", "created", "insert", "inserted", "i", "new", "add", "added"),
    "UPDATE": ("update", "updated", "u", "change", "changed", "modify", "modified"),
    "DELETE": ("delete", "deleted", "d", "remove", "removed"),
}
_ACTION_OF = {word: action for action, words in _ACTIONS.items() for word in words}
_ENVELOPES = ("data", "event", "payload", "body", "message", "webhookevent")
_EVENT_ID = ("eventid", "webhookeventid", "deliveryid", "messageid")
_SUBSCRIPTION = ("subscriptionid", "webhooksubscriptionid")
_RESOURCE = (
    "resource",
    "resourcename",
    "resourcetype",
    "table",
    "tablename",
    "objecttype",
    "type",
    "entitytype",
)
_EVENT_NAME = ("event", "eventtype", "eventname", "topic")
_ACTION = ("action", "operation", "op", "eventtype", "event", "type", "eventname")
_ID = ("id", "objectid", "resourceid", "recordid", "rowid", "pk")
_ACTOR = ("actorid", "actor", "userid", "user", "changedbyid", "changedby", "updatedbyid")
_TIME = (
    "timestamp",
    "occurredat",
    "sourcetime",
    "committedat",
    "time",
    "updated",
    "updatedat",
    "created",
    "createdat",
)
_CHANGES = (
    "changes",
    "changed",
    "changedfields",
    "diff",
    "changeset",
    "data",
    "row",
    "record",
    "object",
    "fields",
)
_NEW = ("new", "newvalues", "newvalue", "after", "to", "current")
_OLD = ("old", "oldvalues", "oldvalue", "before", "from", "previous")
_SIDES = frozenset(_OLD + _NEW)
_NAME = ("field", "column", "name", "attribute", "key", "path")


_CELL = ("rowId", "columnId")
"""The key of a datagrid value."""
LONGEST_ID = 100
"""Maximum characters of an id, so that it fits into an index."""


_MAX_DIGITS = 19
"""Digits of the largest 64-bit integer."""


def is_id(value: object) -> bool:
    """Return whether a value is a numeric id, as a number or as text."""
    if isinstance(value, int):
        return not isinstance(value, bool) and 0 <= value < 10**_MAX_DIGITS
    return (
        isinstance(value, str)
        and len(value) <= _MAX_DIGITS
        and value.isascii()
        and value.isdecimal()
    )


class Envelope(msgspec.Struct, frozen=True):
    """The decoded content of a body; `problem` is why it cannot be used, if it cannot."""

    event_id: str | None = None
    subscription_id: str | None = None
    resource: str | None = None
    action: str | None = None
    object_id: str | None = None
    source_time: str | None = None
    fields: dict[str, Any] = {}
    """New values under GraphQL names, including explicit nulls."""
    old: dict[str, Any] = {}
    """Values before the change, if the body contains them."""
    keys: dict[str, Any] = {}
    """Foreign keys and key fields: new values, or old ones of a deleted row."""
    problem: str | None = None


class _Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    old: Any = ...
    new: Any = ...


class _AssumedEnvelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body as `encode` writes it. `decode` reads other bodies field by field."""

    event_id: int | str
    subscription_id: int | str
    resource: str
    action: str
    id: int | str
    timestamp: str
    transaction_id: int | str | None = None
    actor_id: int | str | None = None
    changes: msgspec.Raw = msgspec.Raw()


class _AssumedBody(_AssumedEnvelope, frozen=True, forbid_unknown_fields=True):
    changes: dict[str, _Change] = {}  # pyright: ignore[reportIncompatibleVariableOverride]


_decode_assumed_envelope = msgspec.json.Decoder(_AssumedEnvelope).decode
_decode_assumed_body = msgspec.json.Decoder(_AssumedBody).decode


def encode(
    *,
    event_id: int,
    subscription_id: int,
    resource: str,
    action: str,
    object_id: int | str | None = None,
    key: Mapping[str, Any] | None = None,
    transaction_id: int,
    timestamp: str,
    actor_id: int | None,
    changes: Mapping[str, Mapping[str, Any]],
) -> bytes:
    """Encode a body (assumed format): `changes` has old and new values by column.

    A row without an id is identified by the columns in `key`.
    """
    return msgspec.json.encode(
        {
            "event_id": event_id,
            "subscription_id": subscription_id,
            "resource": resource,
            "action": action,
            **({} if object_id is None else {"id": object_id}),
            **(key or {}),
            "transaction_id": transaction_id,
            "timestamp": timestamp,
            "actor_id": actor_id,
            "changes": changes,
        }
    )


def decode_envelope(catalog: Catalog, body: bytes) -> Envelope:
    """Decode only the event and its object, without the changed values."""
    return decode(catalog, body, whole=False)


def decode(catalog: Catalog, body: bytes, *, whole: bool = True) -> Envelope:
    """Decode a body as far as possible; never raise.

    A typed decoder reads the assumed format in a fraction of the time.
    """
    try:
        found = _decode_assumed_body(body) if whole else _decode_assumed_envelope(body)
        source_time = clock.normalize_rfc3339(found.timestamp)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _decode(catalog, body, whole=whole)
    resource = catalog.resources.get(found.resource)
    action = _ACTION_OF.get(found.action.lower())
    event_id, subscription_id = str(found.event_id), str(found.subscription_id)
    object_id = str(found.id)
    if (
        resource is None
        or action is None
        or not 0 < len(object_id) <= LONGEST_ID
        or len(event_id) > LONGEST_ID
        or len(subscription_id) > LONGEST_ID
        or not found.subscription_id
        or b"\\u0000" in body
    ):
        return _decode(catalog, body, whole=whole)
    old: Row = {}
    new: Row = {}
    keys: Row = {}
    if isinstance(found, _AssumedBody):
        if (
            body.count(b"{") + body.count(b"[") > answers.MAX_DEPTH
            or (found.changes and _SIDES.issuperset(map(plain, found.changes)))
            or (b"_value" in body and not VALUE_NAMES.isdisjoint(map(plain, found.changes)))
        ):
            return _decode(catalog, body, whole=whole)
        for name, change in found.changes.items():
            if change.old is ... and change.new is ...:
                return _decode(catalog, body, whole=whole)
            if field := resource.fields_by_plain_name.get(plain(name)):
                if change.old is not ...:
                    old[field.name] = _value(field, change.old)
                if change.new is not ...:
                    gone = action == "DELETE" and change.old is ...
                    (old if gone else new)[field.name] = _value(field, change.new)
        keys = _keys(resource, old, new)
    return Envelope(
        event_id,
        subscription_id,
        resource.name,
        action,
        object_id,
        source_time,
        new,
        old,
        keys,
    )


def _decode(catalog: Catalog, body: bytes, *, whole: bool) -> Envelope:
    try:
        decoded: Any = answers.decode(body).value
    except ValueError:
        return Envelope(problem="The body is not JSON")
    if isinstance(decoded, list) and len(cast("list[Any]", decoded)) == 1:
        decoded = cast("list[Any]", decoded)[0]
    if not isinstance(decoded, dict):
        return Envelope(problem="The body is not one JSON object")
    flat = _flat(cast("Row", decoded))
    try:
        return _read(catalog, flat, whole=whole)
    except RecursionError:
        return Envelope(problem="The body is nested too deeply")


def actor(body: bytes) -> str | None:
    """Return the id of the user who made the change; None if the body does not contain it."""
    try:
        decoded: Any = answers.decode(body).value
    except ValueError:
        return None
    if not isinstance(decoded, dict):
        return None
    flat = _flat(cast("Row", decoded))
    named = _first(flat, _ACTOR)
    return _text(cast("Row", named).get("id") if isinstance(named, dict) else named)


def _read(catalog: Catalog, body_fields: Row, *, whole: bool) -> Envelope:
    resource, action = _resource(catalog, body_fields), _action(body_fields)
    old: Row = {}
    new: Row = {}
    if whole or isinstance(_first(body_fields, _ID), dict | None):  # the key may be a change
        for name, (before, after) in _changes(catalog, body_fields, resource).items():
            field = _field(resource, name)
            if field and before is not ...:
                old[field.name] = _value(field, before)
            # Without a value, it may be in the column of another type.
            in_other = after is None and plain(name) in VALUE_NAMES
            if field and after is not ... and not (in_other and field.name in new):
                row = old if action == "DELETE" and before is ... else new
                row[field.name] = _value(field, after)
    object_id = _object_id(resource, body_fields, old | new)
    problem = None if object_id else "The body names no object: it has no id"
    if resource is None:
        named = next(_texts(body_fields, _RESOURCE), None)
        problem = (
            f"The resource {named[:80]} is not known" if named else "The body names no resource"
        )
    nested = body_fields.get("subscription")
    subscription_id = cast("Row", nested).get("id") if isinstance(nested, dict) else None
    return Envelope(
        event_id=_text(_first(body_fields, _EVENT_ID)),
        subscription_id=_text(_first(body_fields, _SUBSCRIPTION) or subscription_id),
        resource=resource.name if resource else None,
        action=action,
        object_id=object_id,
        source_time=clock.valid_time(_first(body_fields, _TIME)),
        fields=new if whole else {},
        old=old if whole else {},
        keys=_keys(resource, old, _row_key(resource, body_fields) | new) if whole else {},
        problem=problem,
    )


def _flat(body_fields: Row) -> Row:
    """Return the fields of a body and of its inner envelope under plain lower-case names."""
    flat = {plain(name): value for name, value in body_fields.items()}
    for name in _ENVELOPES:
        inner = flat.get(name)
        if isinstance(inner, dict) and any(
            plain(key) in _RESOURCE + _ID for key in cast("Row", inner)
        ):
            flat = {plain(key): value for key, value in cast("Row", inner).items()} | flat
    return flat


def _resource(catalog: Catalog, body_fields: Row) -> Resource | None:
    for name in _texts(body_fields, (*_RESOURCE, *_EVENT_NAME)):
        if found := catalog.resolve(name):
            return found
        for part in (*re.split(r"[.:/ ]", name), name.rpartition("_")[0]):
            if found := catalog.resolve(part):
                return found
    changes = body_fields.get("changes")
    wrapped = next(iter(cast("Row", changes)), "") if isinstance(changes, dict) else ""
    return catalog.resolve(wrapped) if wrapped and _is_wrapped(cast("Row", changes)) else None


def _action(body_fields: Row) -> str | None:
    for name in _texts(body_fields, _ACTION):
        if action := _ACTION_OF.get(name.lower()):
            return action
        for word in reversed(re.split(r"[^A-Za-z]", name)):
            if word.lower() in _ACTION_OF:
                return _ACTION_OF[word.lower()]
    return None


def _changes(
    catalog: Catalog, body_fields: Row, resource: Resource | None
) -> dict[str, tuple[Any, Any]]:
    """Return (old, new) by name; `...` for a value that the body does not contain."""
    changes: Any = next(
        (body_fields[name] for name in _CHANGES if isinstance(body_fields.get(name), dict | list)),
        None,
    )
    if isinstance(changes, dict) and _is_wrapped(cast("Row", changes)):
        name, inner = next(iter(cast("Row", changes).items()))
        changes = inner if resource and catalog.resolve(name) is resource else cast("Row", changes)
    if isinstance(changes, list):
        rows = [cast("Row", each) for each in cast("list[Any]", changes) if isinstance(each, dict)]
        return {
            str(name): _sides(row, bare=False)
            for row in rows
            if (name := _first(_plainly(row), _NAME))
        }
    if isinstance(changes, dict) and not _is_sides(cast("Row", changes)):
        return {name: _sides(value, bare=True) for name, value in cast("Row", changes).items()}
    # Complete old and new rows.
    plain_fields = _plainly(cast("Row", changes) if isinstance(changes, dict) else body_fields)
    old, new = _first(plain_fields, _OLD), _first(plain_fields, _NEW)
    before = cast("Row", old) if isinstance(old, dict) else {}
    after = cast("Row", new) if isinstance(new, dict) else {}
    return {name: (before.get(name, ...), after.get(name, ...)) for name in before | after}


def _sides(value: Any, *, bare: bool) -> tuple[Any, Any]:
    if isinstance(value, dict):
        sides = _sides_of(cast("Row", value))
        if sides.alone or not bare:
            return _side(cast("Row", value), sides.old), _side(cast("Row", value), sides.new)
    return ..., cast("Any", value)


def _side(body_fields: Row, name: str | None) -> Any:
    return ... if name is None else body_fields[name]


def _is_sides(value: Row) -> bool:
    return _sides_of(value).alone


def _sides_of(value: Row) -> "_Sides":
    names = tuple(value)
    # A large document is not cached.
    return _sides_named(names) if len(names) <= len(_NAME) else _sides_named.__wrapped__(names)


class _Sides(msgspec.Struct, frozen=True):
    """The names of the old and the new value, and whether there are no other names."""

    old: str | None
    new: str | None
    alone: bool


@lru_cache(1024)
def _sides_named(names: tuple[str, ...]) -> _Sides:
    plainly = {plain(name): name for name in names}
    alone = bool(names) and all(name in _OLD + _NEW for name in plainly)
    return _Sides(_first(plainly, _OLD), _first(plainly, _NEW), alone)


def _is_wrapped(changes: Row) -> bool:
    """Return whether this is `{table: {field: …}}`, as in ION's Actions."""
    inner: Any = next(iter(changes.values()), None)
    return (
        len(changes) == 1
        and bool(inner)
        and isinstance(inner, dict)
        and not _is_sides(cast("Row", inner))
    )


def _field(resource: Resource | None, name: str) -> Field | None:
    return resource.field_called(name) if resource else None


def _value(field: Field, value: Any) -> Any:
    """Convert a value of ION's database to the form of the API; invalid values stay unchanged."""
    if isinstance(value, dict) and field.column.endswith("_id") and "id" in value:
        return _value(field, cast("Row", value)["id"])
    if value is None or (field.list and isinstance(value, list)):
        return cast("Any", value)
    convert: Callable[[Any], Any] | None
    if field.list or field.type in ("SlateContent", "ScalarValue"):
        convert = _json
    else:
        convert = str.upper if field.enum else _CONVERT.get(field.type)
    try:
        return convert(cast("Any", value)) if convert else cast("Any", value)
    except (ValueError, TypeError, OverflowError, RecursionError, msgspec.DecodeError):
        return cast("Any", value)


_BOOLEANS: Mapping[Any, bool] = {
    0: False,
    1: True,
    "0": False,
    "1": True,
    "true": True,
    "false": False,
    "t": True,
    "f": False,
}


def _float(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)  # not valid in JSON, so the value stays unchanged
    return number


def _json(value: Any) -> Any:
    return answers.decode(value.encode()).value if isinstance(value, str) else value


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "Boolean": lambda value: _BOOLEANS.get(
        value.lower() if isinstance(value, str) else value, value
    ),
    "Int": int,
    "Float": _float,
    "ID": str,
    "DateTime": clock.normalize_rfc3339,
    "JSON": _json,
    "JSONString": lambda value: (  # a string, as in the API
        value
        if isinstance(value, str)
        else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    ),
}


def _keys(resource: Resource | None, old: Row, new: Row) -> Row:
    if resource is None:
        return {}
    keys: Row = {}
    for name in resource.key_names:
        value = new.get(name)
        if name in old and value is None:
            value = old[name]
        elif name not in new:
            continue
        if len(str(value)) <= LONGEST_ID:
            keys[name] = value
    return keys


def _object_id(resource: Resource | None, body_fields: Row, row: Row) -> str | None:
    in_key = {plain(name) for name in _row_key_names(resource)}
    given = _first(body_fields, tuple(name for name in _ID if name not in in_key))
    if isinstance(given, dict) and resource:
        row = row | {f.name: v for n, v in cast("Row", given).items() if (f := _field(resource, n))}
        given = None
    if given is not None:
        return _text(given)
    if resource is None:
        return None
    if row_id := _row_id(resource, body_fields, row):
        return row_id
    parts = [_text(row.get(name)) for name in resource.key]
    return ":".join(part for part in parts if part) if parts and all(parts) else None


def _row_id(resource: Resource, body_fields: Row, row: Row) -> str | None:
    """Return the id of a row that its key identifies: `<owner>-<key>`, or `<row>-<column>`.

    The form of the id is assumed; the key of a row may be beside its changes, or among them.
    """
    known = row | _row_key(resource, body_fields)
    parts = [_text(known.get(name)) for name in _row_key_names(resource)]
    found = "-".join(part or "" for part in parts)
    return found if parts and all(parts) and len(found) <= LONGEST_ID else None


def _row_key_names(resource: Resource | None) -> tuple[str, ...]:
    """Return the fields that identify a row without an id."""
    if resource is None:
        return ()
    if resource.owner_key:
        return (resource.owner_key, "key")
    return _CELL if resource.name == "datagrid_values" else ()


def _row_key(resource: Resource | None, body_fields: Row) -> Row:
    """Return the fields beside the changes that identify a row without an id."""
    names = _row_key_names(resource)
    return {name: body_fields[plain(name)] for name in names if plain(name) in body_fields}


def _first(body_fields: Row, names: tuple[str, ...], default: Any = None) -> Any:
    for name in names:
        if name in body_fields:
            return body_fields[name]
    return default


def _texts(body_fields: Row, names: tuple[str, ...]) -> Iterator[str]:
    return (value for name in names if isinstance(value := body_fields.get(name), str))


def _text(value: Any) -> str | None:
    if isinstance(value, bool | dict | list | None):
        return None
    said = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return said if len(said) <= LONGEST_ID else None


def _plainly(row: Row) -> Row:
    return {plain(name): value for name, value in row.items()}
