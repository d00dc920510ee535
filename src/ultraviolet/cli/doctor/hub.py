"""The doctor's look at a hub: whether one runs and answers, and whether ION can reach it."""

import json
import socket
import urllib.error
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ultraviolet.cli.doctor import integration as one_integration
from ultraviolet.cli.doctor.problems import CheckResult, failed, passed
from ultraviolet.cli.support.api import Api, Json
from ultraviolet.cli.support.connection import HubAddress, RunningHub, find_running
from ultraviolet.command_text import command
from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.outgoing import AnswerTooLargeError, opener, read_file

_TIME_OUT = 10.0
_MOST = 1000
_LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104  compared, not bound


def look(where: HubAddress, port: int) -> Iterator[CheckResult]:
    """Look at the hub that is meant, then at its integrations."""
    from ultraviolet.cli.support.transports import HttpTransport

    hub = find_running(where.data)
    url = where.url or (hub.url if hub else None)
    if url is None:
        yield from _none(where, port)
        return
    ready = _get(f"{url.rstrip('/')}/readyz?verbose")
    if not isinstance(ready, dict) or "status" not in ready:
        found = ready if isinstance(ready, str) else "it answers, but is no hub"
        yield failed("hub", "hub", f"{url}: {found}")
        return
    yield from _ready(url, ready)
    key = where.key or (hub.key if hub and _same(hub, url) else None)
    if key is None:
        yield failed("key", "API key", f"None is given for {url}")
        return
    try:
        with Api(HttpTransport(url, key)) as api:
            status = api.get("/status")
            known = list(api.items("/integrations", _MOST))
            yield from _public_address(str(status["public_url"]), known)
            for integration in known:
                yield from one_integration.look(api, integration)
    except UltravioletError as error:
        name = "key" if error.kind == "unauthenticated" else "hub"
        yield failed(name, "API key" if name == "key" else "hub", str(error))


def _none(where: HubAddress, port: int) -> Iterator[CheckResult]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            yield failed(
                "port", "port", f"Port {port} of 127.0.0.1 cannot be taken: {error.strerror}"
            )
    serve = command("serve", data=str(where.data))
    yield failed("hub", "hub", f"No hub runs on {where.data}", serve, state="warning")


def _ready(url: str, ready: Json) -> Iterator[CheckResult]:
    """Take over what the hub says of itself; what it finds wrong is named where the doctor has a name for it."""
    wrong = [one for one in ready.get("checks", []) if not one["well"]]
    if not wrong:
        yield passed("hub", "hub", f"{url} is ready")
    for one in wrong:
        name = one["name"] if one["name"] in ("database", "disk") else "hub"
        yield failed(name, f"hub: {one['name']}", str(one["detail"]))


def _public_address(url: str, integrations: list[Json]) -> Iterator[CheckResult]:
    address = urlsplit(url)
    far = [one["name"] for one in integrations if not _local(str(one["api_url"]))]
    if far and _local(url):
        yield failed(
            "public-address",
            "public address",
            f"{url} means this machine only, and {far[0]} is elsewhere",
        )
        return
    if far and address.scheme != "https":
        yield failed("public-address", "public address", f"{url} is not https, which ION asks for")
        return
    found = _get(f"{url}/livez")
    if not isinstance(found, dict):
        yield failed("public-address", "public address", f"{url}: {found}")
    elif found.get("status") != "alive":
        yield failed(
            "public-address", "public address", f"{url} is answered by something else than a hub"
        )
    else:
        yield passed("public-address", "public address", f"{url} answers, from here at least")


def _get(url: str) -> Json | str:
    """Ask for JSON; returns what it says whatever its status, or why there is none."""
    try:
        with opener(url).open(url, timeout=_TIME_OUT) as answer:
            return _decode(read_file(answer))
    except urllib.error.HTTPError as error:
        with error:
            found = _decode(read_file(error))
            return found if isinstance(found, dict) else f"it answers {error.code} and is no hub"
    except (OSError, ValueError, AnswerTooLargeError, InvalidError) as error:
        return f"it does not answer ({getattr(error, 'reason', error)})"


def _decode(body: bytes) -> Json | str:
    try:
        found: Any = json.loads(body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else "it answers, but is no hub"  # pyright: ignore[reportUnknownVariableType]


def _local(url: str) -> bool:
    return (urlsplit(url if "://" in url else f"//{url}").hostname or "") in _LOCAL


def _same(hub: RunningHub, url: str) -> bool:
    return hub.url.rstrip("/") == url.rstrip("/")
