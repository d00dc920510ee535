"""GraphQL over HTTP: requests, and the status and media type of responses."""

from collections.abc import Mapping
from typing import Any

import msgspec
from graphql import GraphQLError, OperationType, get_operation_ast, parse

from ultraviolet.codecs import DECODE_ERRORS
from ultraviolet.errors import InvalidError, UltravioletError

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"


class MalformedRequestError(InvalidError):
    """The request is malformed."""

    kind = "malformed"
    status = 400


class UnsupportedMediaTypeError(UltravioletError):
    """The content type of a GraphQL request must be application/json."""

    kind = "unsupported-media-type"
    status = 415


class MethodNotAllowedError(UltravioletError):
    """GET accepts only queries. Send mutations by POST."""

    kind = "method-not-allowed"
    status = 405


class Operation(msgspec.Struct):
    """One GraphQL request; other members are ignored."""

    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815  the name on the wire
    extensions: dict[str, Any] | None = None


GraphQLRequest = Operation | list[Operation]


def parse_post(content_type: str, body: bytes) -> GraphQLRequest:
    """Parse a body: one operation or an array of them; a body without a type is JSON.

    Raise MalformedRequestError or UnsupportedMediaTypeError.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind and kind != JSON and not kind.endswith("+json"):
        raise UnsupportedMediaTypeError(UnsupportedMediaTypeError.__doc__)
    try:
        return msgspec.json.decode(body, type=GraphQLRequest)
    except DECODE_ERRORS as error:
        raise MalformedRequestError(f"The request is malformed: {error}") from error


def parse_get(parameters: Mapping[str, str]) -> Operation:
    """Parse the parameters of a GET; raise MalformedRequestError or MethodNotAllowedError."""
    names = Operation.__struct_fields__
    given: dict[str, Any] = {k: v for k, v in parameters.items() if k in names and v}
    try:
        for name in ("variables", "extensions"):
            if name in given:
                given[name] = msgspec.json.decode(given[name])
        operation = msgspec.convert(given, Operation)
    except DECODE_ERRORS as error:
        raise MalformedRequestError(f"The request is malformed: {error}") from error
    try:
        definition = get_operation_ast(parse(operation.query), operation.operationName)
    except GraphQLError:
        definition = None
    if definition is not None and definition.operation is not OperationType.QUERY:
        raise MethodNotAllowedError(MethodNotAllowedError.__doc__)
    return operation


def choose_media_type(accept: str) -> str:
    """Return JSON, as ION does, unless the client accepts only the newer media type."""
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return GRAPHQL if GRAPHQL in wanted and JSON not in wanted else JSON


def response_status(response: Any, media_type: str) -> int:
    """Return 200, as ION does; in the newer media type, 400 for a response without data."""
    failed = isinstance(response, dict) and "errors" in response and "data" not in response
    return 400 if failed and media_type == GRAPHQL else 200


def error_response(message: str) -> dict[str, Any]:
    """Return an error in GraphQL's format."""
    return {"errors": [{"message": message}]}
