"""The introduction of the OpenAPI document, in Markdown: what all operations have in common."""

_TEXT = """\
The API of a hub, which mirrors the data of First Resonance ION with its history. Requests and responses are JSON,
and times are RFC 3339 in UTC.

## Authentication

Send an API key: `Authorization: Bearer uvk_…`. Admins create keys under *Settings*, or with
`ultraviolet key create NAME --role viewer`. A key has a role (viewer, operator or admin); each operation names the role
that it needs. On the page `/api/docs`, your session authenticates instead. Other requests with a session need the
header `X-CSRF-Token` unless they only read.

## Pages of a list

A list returns `{"items": […], "next": "…"}`. Repeat the request with `cursor` set to the value of `next` until `next`
is null. `limit` is the maximum number of items, up to 1000. A request that concerns one integration needs `integration`
(id or name) if the hub has several.

## Filters

`GET /api/v1/objects/{resource}` accepts ION's filter language as JSON:

```
filter={"status": {"eq": "ORDERED"}, "supplier": {"name": {"ilike": "%acme%"}}}
```

`sort` is a field, or `-field` for descending order. `column` returns only some fields, also of linked objects. `at`
returns the state at a past time. An unknown parameter is an error.

## Errors

An error is an RFC 9457 problem, `application/problem+json`. Its `type` is the address of its description, `detail`
contains the next step, and `errors` lists the invalid values. 429 and 503 have the header `Retry-After`. Each response
has an `X-Request-Id`, which the log of the hub contains, too.

## Repeated requests

Send an `Idempotency-Key` with a POST, with a new value for each action. For 24 hours, the hub answers the same request
with the same key with its first response, and does not repeat the action. For changes, `If-Match` with the `ETag` of
the last response prevents that you overwrite the change of another person.
"""


def introduction(root: str) -> str:
    """Return the introduction; `root` is what the paths of the hub begin with."""
    return f"{_TEXT}\n[Use the API]({root}/docs/api) has examples and the details.\n"
