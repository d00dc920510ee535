"""A proxy in front of an ION that changes single values in its responses, by rules.

It serves tests of the hub and of any program that reads ION. The rules are data, so a test can
state or generate them; docs/local-ion.md describes them. Requests pass unchanged.
"""

import asyncio
import contextlib
import json
import re
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, cast

import aiohttp
from aiohttp import web

Change = Literal[
    "replace",
    "drop",
    "null_node",
    "null_edge",
    "duplicate",
    "truncate",
    "endless",
    "bomb",
    "respond",
    "delay",
]

_GRAPHQL = "/graphql"
_ROOT = re.compile(r"(?:(\w+)\s*:\s*)?(\w+)\s*(?:\([^)]*\))?\s*\{")
_RESPONSE_CHANGES = ("truncate", "endless", "bomb", "respond", "delay")
"""Changes of whole responses."""
_HOP_BY_HOP = (
    "connection",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "keep-alive",
    "host",
)
_CHUNK_BYTES = 1024 * 1024
_MAX_ENDLESS_BYTES = 16 * 1024 * _CHUNK_BYTES


class Raw(bytes):
    """Bytes to write into a response unchanged, such as `Raw(b"NaN")` or a lone surrogate."""


@dataclass(frozen=True)
class Rule:
    """A change of ION's responses.

    A change of a whole response (truncate, endless, bomb, respond, delay) applies if the response
    contains the object or list of the rule. The others change values: null_node, null_edge,
    duplicate, and drop without a path change a row of a list; replace, and drop with a path, change
    one value.

    `operation` is a pattern for the text of the operation, `resource` a list such as `parts`, `id`
    one of its objects, and `path` a path within the object (`description`, `attributes.0.value`)
    or, without a resource, within the response (`data.page.pageInfo.hasNextPage`).
    """

    change: Change
    operation: str = ""
    resource: str | None = None
    id: str | None = None
    path: str = ""
    value: Any = None
    """For `replace`: the new value, or Raw bytes."""
    keep_bytes: int = 100
    """For `truncate`."""
    encoding: Literal["gzip", "deflate"] = "gzip"
    """For `bomb`."""
    size_bytes: int = _MAX_ENDLESS_BYTES
    """For `endless` and `bomb`: the size after decompression."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    """For `respond`, with `status` and `headers`: the response to send instead of ION's."""
    seconds: float = 0.0
    """For `delay`."""
    url_path: str = _GRAPHQL
    """The end of the URL path to which the rule applies; the token endpoint ends with `/token`."""
    count: int | None = None
    """The maximum number of changed responses, None for all."""


class AnswerProxy:
    """A running proxy; use `url` as ION's address. `rules` may be changed at any time."""

    def __init__(self, target: str, rules: Sequence[Rule] = ()) -> None:
        """Use this ION and these initial rules."""
        self.target = target.rstrip("/")
        self.url = ""
        self.changed = 0
        """The number of changed responses."""
        self.requests = 0
        self._rules: tuple[Rule, ...] = tuple(rules)
        self._used: dict[int, int] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="answer-proxy", daemon=True
        )
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The current rules."""
        return self._rules

    @rules.setter
    def rules(self, rules: Sequence[Rule]) -> None:
        """Replace all rules and reset their counts."""
        self._rules = tuple(rules)
        self._used = {}

    def __enter__(self) -> Self:
        self._thread.start()

        async def start() -> None:
            self._session = aiohttp.ClientSession(auto_decompress=True)
            application = web.Application(client_max_size=64 * 1024 * 1024)
            application.router.add_route("*", "/{path:.*}", self._forward)
            self._runner = web.AppRunner(application, shutdown_timeout=1)
            await self._runner.setup()
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

        asyncio.run_coroutine_threadsafe(start(), self._loop).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        async def stop() -> None:
            if self._runner:
                await self._runner.cleanup()
            if self._session:
                await self._session.close()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        assert self._session
        self.requests += 1
        body = await request.read()
        sent = _answers(_decode(body))
        queries = (str(each.get("query", "")) for each in sent if isinstance(each, dict))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType, reportUnknownVariableType]
        operation = "\n".join(queries)
        rules = [
            rule
            for rule in self._rules
            if request.path.endswith(rule.url_path)
            and re.search(rule.operation, operation)
            and (rule.count is None or self._used.get(id(rule), 0) < rule.count)
        ]
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _HOP_BY_HOP
        }
        async with self._session.request(
            request.method,
            self.target + request.raw_path,
            data=body,
            headers=headers,
            allow_redirects=False,
        ) as response:
            content = await response.read()
            passed = {n: v for n, v in response.headers.items() if n.lower() not in _HOP_BY_HOP}
            status = response.status
        decoded = _decode(content)
        for rule in (
            rule
            for rule in rules
            if rule.change in _RESPONSE_CHANGES and _contains(rule, operation, decoded)
        ):
            self._count(rule)
            match rule.change:
                case "delay":
                    await asyncio.sleep(rule.seconds)
                case "respond":
                    return web.Response(status=rule.status, headers=rule.headers, body=rule.body)
                case "truncate":
                    return web.Response(
                        status=status, headers=passed, body=content[: rule.keep_bytes]
                    )
                case _:
                    return await _send_endless(request, rule, passed)
        raws: dict[str, bytes] = {}
        changed = False
        for rule in (rule for rule in rules if rule.change not in _RESPONSE_CHANGES):
            if sum(_change_answer(rule, operation, answer, raws) for answer in _answers(decoded)):
                self._count(rule)
                changed = True
        if changed:
            content = json.dumps(decoded).encode()
            for mark, raw in raws.items():
                content = content.replace(json.dumps(mark).encode(), raw)
        return web.Response(status=status, headers=passed, body=content)

    def _count(self, rule: Rule) -> None:
        self.changed += 1
        self._used[id(rule)] = self._used.get(id(rule), 0) + 1


def _decode(answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return None


def _answers(answer: Any) -> list[Any]:
    """Return the elements of a batch, or a single one."""
    return cast("list[Any]", answer) if isinstance(answer, list) else [answer]


def _contains(rule: Rule, operation: str, answer: Any) -> bool:
    """Return whether an answer contains the object or list of a rule for whole responses."""
    if rule.id is None:
        return rule.resource is None or rule.resource in _aliases(operation).values()
    return any(
        _matches(rule, edge)
        for one in _answers(answer)
        for edges in _lists(rule, operation, one)
        for edge in edges
    )


def _aliases(operation: str) -> dict[str, str]:
    """Return the lists that an operation reads, by their aliases."""
    return {alias or name: name for alias, name in _ROOT.findall(operation)}


def _change_answer(rule: Rule, operation: str, answer: Any, raws: dict[str, bytes]) -> bool:
    if rule.resource is None:
        return bool(rule.path) and _change_at(rule, answer, rule.path.split("."), raws)
    changed = False
    for edges in _lists(rule, operation, answer):
        for place in range(len(edges) - 1, -1, -1):
            edge = edges[place]
            if not _matches(rule, edge):
                continue
            if rule.change in {"null_edge", "null_node"}:
                edges[place] = None if rule.change == "null_edge" else {"node": None}
            elif rule.change == "duplicate":
                edges.insert(place, json.loads(json.dumps(edge)))
            elif rule.change == "drop" and not rule.path:
                del edges[place]
            elif not _change_at(rule, edge["node"], rule.path.split("."), raws):
                continue
            changed = True
    return changed


def _lists(rule: Rule, operation: str, answer: Any) -> list[list[Any]]:
    """Return the edges of each list of the rule's resource in an answer."""
    data: Any = cast("dict[str, Any]", answer).get("data") if isinstance(answer, dict) else None
    aliases = _aliases(operation)
    found: list[list[Any]] = []
    for alias, page in (cast("dict[str, Any]", data) if isinstance(data, dict) else {}).items():
        edges: Any = cast("dict[str, Any]", page).get("edges") if isinstance(page, dict) else None
        if aliases.get(alias) == rule.resource and isinstance(edges, list):
            found.append(cast("list[Any]", edges))
    return found


def _matches(rule: Rule, edge: Any) -> bool:
    node: Any = cast("dict[str, Any]", edge).get("node") if isinstance(edge, dict) else None
    if not isinstance(node, dict):
        return False
    return rule.id is None or str(cast("dict[str, Any]", node).get("id")) == rule.id


def _change_at(rule: Rule, value: Any, path: Sequence[str], raws: dict[str, bytes]) -> bool:
    """Change the value at a path; return whether it exists."""
    *parents, last = path
    try:
        for step in parents:
            value = value[_key(value, step)]
        key = _key(value, last)
        if rule.change == "drop":
            del value[key]
        else:
            _ = value[key]
            new = rule.value
            if isinstance(new, Raw):  # a placeholder, replaced in the encoded response
                mark = f"__raw_{len(raws)}__"
                raws[mark], new = bytes(new), mark
            value[key] = new
    except (KeyError, IndexError, TypeError, ValueError):
        return False
    return True


def _key(value: Any, step: str) -> Any:
    return int(step) if isinstance(value, list) else step


async def _send_endless(
    request: web.Request, rule: Rule, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Send endless JSON, compressed for a `bomb`, until the client disconnects."""
    response_headers = dict(headers) | (
        {"content-encoding": rule.encoding} if rule.change == "bomb" else {}
    )
    response = web.StreamResponse(status=200, headers=response_headers)
    await response.prepare(request)
    compress: Callable[[bytes], bytes] = bytes
    finish: Callable[[], bytes] = bytes
    if rule.change != "endless":
        bits = zlib.MAX_WBITS | 16 if rule.encoding == "gzip" else zlib.MAX_WBITS
        packer = zlib.compressobj(9, zlib.DEFLATED, bits)
        compress, finish = packer.compress, packer.flush
    chunk = b" " * _CHUNK_BYTES
    with contextlib.suppress(ConnectionError):
        await response.write(compress(b'{"data": "'))
        for _ in range(rule.size_bytes // _CHUNK_BYTES):
            if request.transport is None or request.transport.is_closing():
                break
            if packed := compress(chunk):
                await response.write(packed)
            await asyncio.sleep(0)
        await response.write(compress(b'"}') + finish())
    return response
