"""Examples for the OpenAPI document, generated from the schemas with typical values by name."""

from collections.abc import Mapping
from typing import Any, cast

Schema = Mapping[str, Any]

_TIMES = ("_at", "at", "_time", "since", "until", "from", "to")
_TIME = "2026-11-24T20:58:03.250000+00:00"
_FIELDS = {
    "id": 12,
    "status": "ORDERED",
    "supplierId": 4,
    "_updated": "2026-11-24T20:58:03.031250+00:00",
}
_VALUES: dict[str, Any] = {
    "action": "UPDATE",
    "AuditEntry.action": "integration.create",
    "actor": "ada",
    "api_url": "https://api.buildwithion.com",
    "auth_url": "https://auth.buildwithion.com/auth",
    "body": '{"id": 9001, "resource": "PURCHASE_ORDERS", "action": "UPDATE"}',
    "cause": "silent_creation",
    "change": "update",
    "clock": "hub",
    "Fetch.changed": 120,
    "changed": ["status"],
    "client_id": "api-key-of-ion",
    "client_secret": "its-secret",
    "cursor": "MTI",
    "detail": "1 object changed",
    "AuditEntry.detail": {"api_url": "https://api.buildwithion.com"},
    "email": "ada@example.com",
    "error": None,
    "event_id": "9001",
    "expires_at": "2027-01-31T12:00:00.000000+00:00",
    "field": "status",
    "fields": _FIELDS,
    "DriftSample.fields": ["status"],
    "DifferenceDetail.fields": {"status": ["ORDERED", "DRAFT"]},
    "column": ["status", "supplier.name"],
    "ResourceSelection.fields": ["status"],
    "NewIndex.fields": ["needDate"],
    "resources": ["purchase_orders", "suppliers"],
    "problems": ["ION does not know the key."],
    "refused": ["runs"],
    "creating": ["needDate"],
    "invalid_fields": ["leadTime"],
    "filter": '{"status": {"in": ["ORDERED", "RECEIVED"]}}',
    "full_schedule": "0 3 * * *",
    "headers": {"content-type": "application/json"},
    "healed_by": {"kind": "heal", "ref": None},
    "DriftCause.healed_by": {"heal": 12},
    "id": 17,
    "id (text)": "12",
    "object_id": "12",
    "mode (text)": "full",
    "organization": "Example Aerospace",
    "meaning": "ION sends no event when it is created",
    "watermark": "2026-11-24T20:58:03.031250+00:00",
    "receiver_id": "3",
    "subscription_id": "41",
    "reason": None,
    "skipped": None,
    "incremental_schedule": "*/5 * * * *",
    "integration": "plant",
    "kind": "different",
    "last_four": "x7Qw",
    "limit": 100,
    "message": "The key signs in and may read 148 resources.",
    "FieldProblem.message": "Expected `str`, got `int`",
    "FieldProblem.field": "name",
    "name": "plant",
    "User.name": "ada",
    "NewUser.name": "ada",
    "Me.name": "key:dashboard",
    "ApiKey.name": "dashboard",
    "NewApiKey.name": "dashboard",
    "CreatedApiKey.name": "dashboard",
    "FieldChange.name": "status",
    "FieldReplayed.name": "status",
    "new": "ORDERED",
    "next": None,
    "next_step": "Nothing to do.",
    "object": "12",
    "old": "DRAFT",
    "origin": {"kind": "event", "ref": "4711"},
    "outcome": "applied",
    "password": "correct horse battery",
    "problem": None,
    "proven_by": "full fetch",
    "public_url": "https://hub.example.com",
    "q": "bracket",
    "query": "where=status%3Ais%3AORDERED&sort=-changed",
    "requested_by": "ada",
    "requests_per_second": 20,
    "resource": "purchase_orders",
    "sentence": "Fresh: last change 3 sec ago, everything confirmed 40 sec ago.",
    "seq": 4711,
    "signature": "verified",
    "sort": "-_updated",
    "state": "done",
    "subject": "plant",
    "Problem.status": 404,
    "Problem.title": "Not found",
    "Problem.type": "/docs/reference/errors#not-found",
    "Problem.detail": "Integration 17 does not exist.",
    "title": "PO-1042",
    "ResourceCount.title": "Purchase orders",
    "token": "uvk_shown-once",
    "url": "https://hub.example.com/hooks/uvh_shown-once",
    "SignInLink.url": "https://hub.example.com/sign-in/uvl_shown-once",
    "user": "ada",
    "version": 3,
    "Status.version": "0.1.0",
    "wanted": [["purchase_orders", "UPDATE"]],
}
_PLAIN: dict[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 0.5,
    "boolean": False,
    "null": None,
    "array": [],
    "object": {},
}
_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}


class Examples:
    """Generates an example of any schema of a document."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas

    def of(self, schema: Schema, name: str = "", owner: str = "", depth: int = 0) -> Any:  # noqa: PLR0911  one return per case
        """Return an example of a schema; `owner` is the struct that has the property `name`."""
        if "$ref" in schema:
            name = str(schema["$ref"]).rsplit("/", 1)[-1]
            struct = self._schemas[name]
            if "enum" in struct:
                return struct["enum"][0]
            properties: Mapping[str, Schema] = struct.get("properties", {})
            return {key: self.of(each, key, name, depth + 1) for key, each in properties.items()}
        for key in (f"{owner}.{name}", name, f"{name} (text)"):
            if key in _VALUES and self._fits(_VALUES[key], schema):
                return _VALUES[key]
        if name.endswith(_TIMES) and self._fits(_TIME, schema):
            return _TIME
        if "default" in schema and schema["default"] is not None:
            return schema["default"]
        if "enum" in schema:
            return next(value for value in schema["enum"] if value is not None)
        branches = [one for one in _branches(schema) if one.get("type") != "null"]
        if branches:
            return self.of(branches[0], name, owner, depth)
        return self._plain(schema, name, owner, depth)

    def _plain(self, schema: Schema, name: str, owner: str, depth: int) -> Any:
        kind = next((one for one in _types(schema) if one != "null"), "string")
        if kind == "array" and "items" in schema and depth < 6:  # noqa: PLR2004  deep enough to be useful
            return [self.of(schema["items"], name, owner, depth + 1)]
        if kind == "array" and "prefixItems" in schema:
            return [self.of(one, name, owner, depth + 1) for one in schema["prefixItems"]]
        if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
            return {"status": self.of(schema["additionalProperties"], "", owner, depth + 1)}
        return max(_PLAIN[kind], schema.get("minimum", 1)) if kind == "integer" else _PLAIN[kind]

    def _fits(self, value: Any, schema: Schema) -> bool:  # noqa: PLR0911  one return per case
        """Return whether a value is valid for a schema, without following references."""
        if "enum" in schema:
            return value in schema["enum"]
        branches = _branches(schema)
        if branches:
            return any(self._fits(value, one) for one in branches)
        if "$ref" in schema:
            return False
        types = _types(schema)
        if isinstance(value, bool) and "boolean" not in types:
            return not types
        if not types or not any(isinstance(value, _KINDS[one]) for one in types):
            return not types
        if isinstance(value, list) and "items" in schema:
            return all(self._fits(one, schema["items"]) for one in cast("list[Any]", value))
        if isinstance(value, dict) and isinstance(schema.get("additionalProperties"), Mapping):
            return all(
                self._fits(one, schema["additionalProperties"])
                for one in cast("dict[str, Any]", value).values()
            )
        return True


def _branches(schema: Schema) -> list[Schema]:
    return [*schema.get("oneOf", ()), *schema.get("anyOf", ())]


def _types(schema: Schema) -> list[str]:
    kind: Any = schema.get("type", [])
    return [kind] if isinstance(kind, str) else list(kind)
