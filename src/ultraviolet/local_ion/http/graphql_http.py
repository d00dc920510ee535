"""GraphQL over HTTP: what a request asks, and the status and media type of its answer."""

from collections.abc import Mapping
from typing import Any

import msgspec
from graphql import GraphQLError, OperationType, get_operation_ast, parse

from ultraviolet.errors import InvalidError, UltravioletError

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"


class UnreadableError(InvalidError):
    """The request is malformed."""

    kind = "malformed"
    status = 400


class WrongMediaTypeError(UltravioletError):
    """The content type of a GraphQL request is application/json."""

    kind = "unsupported-media-type"
    status = 415


class NotByGetError(UltravioletError):
    """Only queries are answered over GET; send mutations by POST."""

    kind = "method-not-allowed"
    status = 405


class Operation(msgspec.Struct):
    """One GraphQL request of a body; clients send more members than these, and they are ignored."""

    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815  the name on the wire
    extensions: dict[str, Any] | None = None


Asked = Operation | list[Operation]


def posted(content_type: str, body: bytes) -> Asked:
    """Read a body, one operation or a JSON array of them; raises UnreadableError, WrongMediaTypeError.

    A body of no stated type is taken to be JSON, because many scripts state none.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind and kind != JSON and not kind.endswith("+json"):
        raise WrongMediaTypeError(WrongMediaTypeError.__doc__)
    try:
        return msgspec.json.decode(body, type=Asked)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"The request is malformed: {error}") from error


def queried(parameters: Mapping[str, str]) -> Operation:
    """Read the parameters of a GET; raises UnreadableError, NotByGetError."""
    given: dict[str, Any] = {k: v for k, v in parameters.items() if k in Operation.__struct_fields__ and v}
    try:
        for name in ("variables", "extensions"):
            if name in given:
                given[name] = msgspec.json.decode(given[name])
        operation = msgspec.convert(given, Operation)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UnreadableError(f"The request is malformed: {error}") from error
    if _changes(operation):
        raise NotByGetError(NotByGetError.__doc__)
    return operation


def _changes(operation: Operation) -> bool:
    try:
        found = get_operation_ast(parse(operation.query), operation.operationName)
    except GraphQLError:
        return False
    return found is not None and found.operation is not OperationType.QUERY


def media_type(accept: str) -> str:
    """Choose the media type of an answer: ION's own, unless only the newer one is asked for."""
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return GRAPHQL if GRAPHQL in wanted and JSON not in wanted else JSON


def status(answer: Any, media: str) -> int:
    """Give the status of an answer: always 200 in JSON, as ION does; 400 in the newer type where there is no data."""
    failed = isinstance(answer, dict) and "errors" in answer and "data" not in answer
    return 400 if failed and media == GRAPHQL else 200


def failure(message: str) -> dict[str, Any]:
    """Write an error as GraphQL does."""
    return {"errors": [{"message": message}]}
