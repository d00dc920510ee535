"""A proxy between a client of ION and an ION that changes single values in ION's answers, by rules.

It is for tests: of the hub, and of any program that reads ION. The rules are data, so a test can state or generate
them; docs/local-ion.md lists what a rule can do. Requests pass unchanged.
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
_WHOLE = ("truncate", "endless", "bomb", "respond", "delay")
"""Changes of whole answers."""
_HOP_BY_HOP = (
    "connection",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "keep-alive",
    "host",
)
_PIECE_BYTES = 1024 * 1024
_MAX_ENDLESS_BYTES = 16 * 1024 * _PIECE_BYTES


class Raw(bytes):
    """Bytes that stand in an answer as they are, such as `Raw(b"NaN")`, or half of a surrogate pair."""


@dataclass(frozen=True)
class Rule:
    """One change of ION's answers.

    A change of a whole answer (truncate, endless, bomb, respond, delay) is made where the answer shows the object or
    reads the list that the rule names. The others change values: null_node, null_edge, duplicate, and drop without a
    path change a row of a list; replace, and drop with a path, change one value.

    `operation` is a pattern for the operation's text, `resource` a list such as `parts`, `id` one object of it, and
    `path` a place within the object (`description`, `attributes.0.value`) or, without a resource, within the answer
    (`data.page.pageInfo.hasNextPage`).
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
    """For `endless` and `bomb`: how much follows, after decompression."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    """For `respond`, with `status` and `headers`: the answer in the place of ION's."""
    seconds: float = 0.0
    """For `delay`."""
    url_path: str = _GRAPHQL
    """The end of the address that the rule is about; the sign-in ends with `/token`."""
    count: int | None = None
    """How many answers it changes, None for all."""


class AnswerProxy:
    """A running proxy; `url` takes the place of ION's address. Change `rules` at any time."""

    def __init__(self, target: str, rules: Sequence[Rule] = ()) -> None:
        """Name the ION behind it, and the rules to begin with."""
        self.target = target.rstrip("/")
        self.url = ""
        self.changed = 0
        """How many answers were changed."""
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
        """The rules in force."""
        return self._rules

    @rules.setter
    def rules(self, rules: Sequence[Rule]) -> None:
        """Replace all rules, and set their counts to zero."""
        self._rules = tuple(rules)
        self._used = {}

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(auto_decompress=True)
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(application, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
        if self._session:
            await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        assert self._session
        self.requests += 1
        body = await request.read()
        operation = _operation(body)
        rules = [rule for rule in self._rules if self._applies(rule, request.path, operation)]
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
            answer = await response.read()
            passed = {n: v for n, v in response.headers.items() if n.lower() not in _HOP_BY_HOP}
            status = response.status
        shown = _decoded(answer)
        for rule in (
            rule for rule in rules if rule.change in _WHOLE and _shows(rule, operation, shown)
        ):
            self._note(rule)
            match rule.change:
                case "delay":
                    await asyncio.sleep(rule.seconds)
                case "respond":
                    return web.Response(status=rule.status, headers=rule.headers, body=rule.body)
                case "truncate":
                    return web.Response(
                        status=status, headers=passed, body=answer[: rule.keep_bytes]
                    )
                case _:
                    return await _send_endless(request, rule, passed)
        raws: dict[str, bytes] = {}
        changed = False
        for rule in (rule for rule in rules if rule.change not in _WHOLE):
            if sum(_change_answer(rule, operation, one, raws) for one in _answers(shown)):
                self._note(rule)
                changed = True
        return web.Response(
            status=status, headers=passed, body=_encoded(shown, raws) if changed else answer
        )

    def _applies(self, rule: Rule, path: str, operation: str) -> bool:
        if not path.endswith(rule.url_path) or not re.search(rule.operation, operation):
            return False
        return rule.count is None or self._used.get(id(rule), 0) < rule.count

    def _note(self, rule: Rule) -> None:
        self.changed += 1
        self._used[id(rule)] = self._used.get(id(rule), 0) + 1


def _decoded(answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return None


def _encoded(answer: Any, raws: Mapping[str, bytes]) -> bytes:
    written = json.dumps(answer).encode()
    for mark, raw in raws.items():
        written = written.replace(json.dumps(mark).encode(), raw)
    return written


def _answers(answer: Any) -> list[Any]:
    """Return the answers of a batch, or the one answer."""
    return cast("list[Any]", answer) if isinstance(answer, list) else [answer]


def _operation(body: bytes) -> str:
    try:
        sent: Any = json.loads(body)
    except ValueError:
        return ""
    operations = cast("list[Any]", sent) if isinstance(sent, list) else [sent]
    return "\n".join(
        str(cast("dict[str, Any]", one).get("query", ""))
        for one in operations
        if isinstance(one, dict)
    )


def _shows(rule: Rule, operation: str, answer: Any) -> bool:
    """Return whether an answer shows the object, or reads the list, that a rule about whole answers names."""
    if rule.id is None:
        return rule.resource is None or rule.resource in _aliases(operation).values()
    return any(
        _is_about(rule, edge)
        for one in _answers(answer)
        for edges in _lists(rule, operation, one)
        for edge in edges
    )


def _aliases(operation: str) -> dict[str, str]:
    """Return the lists that an operation reads, by the name that its answer gives them."""
    return {alias or name: name for alias, name in _ROOT.findall(operation)}


def _change_answer(rule: Rule, operation: str, answer: Any, raws: dict[str, bytes]) -> bool:
    if rule.resource is None:
        return bool(rule.path) and _change_at(rule, answer, rule.path.split("."), raws)
    changed = False
    for edges in _lists(rule, operation, answer):
        for place in range(len(edges) - 1, -1, -1):
            if _is_about(rule, edges[place]):
                changed |= _change_edge(rule, edges, place, raws)
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


def _is_about(rule: Rule, edge: Any) -> bool:
    node: Any = cast("dict[str, Any]", edge).get("node") if isinstance(edge, dict) else None
    if not isinstance(node, dict):
        return False
    return rule.id is None or str(cast("dict[str, Any]", node).get("id")) == rule.id


def _change_edge(rule: Rule, edges: list[Any], place: int, raws: dict[str, bytes]) -> bool:
    if rule.change == "null_edge":
        edges[place] = None
    elif rule.change == "null_node":
        edges[place] = {"node": None}
    elif rule.change == "duplicate":
        edges.insert(place, json.loads(json.dumps(edges[place])))
    elif rule.change == "drop" and not rule.path:
        del edges[place]
    else:
        return _change_at(rule, edges[place]["node"], rule.path.split("."), raws)
    return True


def _change_at(rule: Rule, value: Any, path: Sequence[str], raws: dict[str, bytes]) -> bool:
    """Change the value at a path; a path that leads nowhere changes nothing."""
    *way, last = path
    try:
        for step in way:
            value = value[_key(value, step)]
        key = _key(value, last)
        if rule.change == "drop":
            del value[key]
        else:
            _ = value[key]
            value[key] = _marked(rule.value, raws)
    except (KeyError, IndexError, TypeError, ValueError):
        return False
    return True


def _key(value: Any, step: str) -> Any:
    return int(step) if isinstance(value, list) else step


def _marked(value: Any, raws: dict[str, bytes]) -> Any:
    """Put a mark in the place of raw bytes, which are written when everything else is."""
    if not isinstance(value, Raw):
        return value
    mark = f"__raw_{len(raws)}__"
    raws[mark] = bytes(value)
    return mark


async def _send_endless(
    request: web.Request, rule: Rule, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Send JSON that goes on and on, compressed for a `bomb`, until the client goes away."""
    shown = dict(headers) | ({"content-encoding": rule.encoding} if rule.change == "bomb" else {})
    response = web.StreamResponse(status=200, headers=shown)
    await response.prepare(request)
    compress, finish = _compressor(rule)
    piece = b" " * _PIECE_BYTES
    with contextlib.suppress(ConnectionError):
        await response.write(compress(b'{"data": "'))
        for _ in range(rule.size_bytes // _PIECE_BYTES):
            if request.transport is None or request.transport.is_closing():
                break
            if packed := compress(piece):
                await response.write(packed)
            await asyncio.sleep(0)
        await response.write(compress(b'"}') + finish())
    return response


def _compressor(rule: Rule) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    if rule.change == "endless":
        return lambda written: written, lambda: b""
    bits = zlib.MAX_WBITS | 16 if rule.encoding == "gzip" else zlib.MAX_WBITS
    packer = zlib.compressobj(9, zlib.DEFLATED, bits)
    return packer.compress, packer.flush
