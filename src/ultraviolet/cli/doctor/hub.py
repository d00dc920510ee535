"""Checks of a hub: it runs, it is ready, and ION can reach it."""

import json
import socket
import urllib.error
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit

from ultraviolet.cli.doctor.integration import check_integration
from ultraviolet.cli.doctor.problems import CheckResult, failed, passed
from ultraviolet.cli.support.api import Json
from ultraviolet.cli.support.connection import HubAddress, find_url_and_key
from ultraviolet.command_text import start_command
from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.hub.core.finding import Kind
from ultraviolet.outgoing import AnswerTooLargeError, is_loopback, opener, read_file

_TIMEOUT_SECONDS = 10.0
_MAX_INTEGRATIONS = 1000
_NOT_A_HUB = "the server responds, but it is not a hub"


def check_hub(address: HubAddress, port: int) -> Iterator[CheckResult]:
    """Check the addressed hub, then its integrations."""
    from ultraviolet.cli.support.transports import Api

    url, key = find_url_and_key(address)
    if url is None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                message = f"Port {port} of 127.0.0.1 is not available: {error.strerror}"
                yield failed("port", "port", message)
        message = f"No hub is running on {address.data}"
        start = start_command(address.data)
        yield failed("hub", "hub", message, start, severity="warning")
        return
    ready = _get(f"{url.rstrip('/')}/readyz?verbose")
    if not isinstance(ready, dict) or "status" not in ready:
        reason = ready if isinstance(ready, str) else _NOT_A_HUB
        yield failed("hub", "hub", f"{url}: {reason}")
        return
    failures = [check for check in ready.get("checks", []) if not check["well"]]
    if not failures:
        yield passed("hub", "hub", f"{url} is ready")
    for check in failures:
        kinds: dict[str, Kind] = {"database": "database", "disk": "disk"}
        name = check["name"]
        yield failed(kinds.get(name, "hub"), f"hub: {name}", str(check["detail"]))
    if key is None:
        yield failed("api_key", "API key", f"No API key for {url}")
        return
    try:
        with Api(url, key) as api:
            status = api.get("/status")
            integrations = list(api.items("/integrations", _MAX_INTEGRATIONS))
            yield from _check_public_address(str(status["public_url"]), integrations)
            for integration in integrations:
                yield from check_integration(api, integration)
    except UltravioletError as error:
        yield _rejected(error)


def _rejected(error: UltravioletError) -> CheckResult:
    match error.kind:
        case "unauthenticated":
            return failed("api_key", "API key", str(error))
        case "forbidden":
            message = f"{error} The connections to ION were not tested."
            step = "Use the key of an operator to test them."
            return failed("api_key", "API key", message, step, severity="warning")
        case _:
            return failed("hub", "hub", str(error))


def _check_public_address(url: str, integrations: list[Json]) -> Iterator[CheckResult]:
    address = urlsplit(url)
    remote = [one["name"] for one in integrations if not _is_local(str(one["api_url"]))]
    if remote and _is_local(url):
        yield failed(
            "public_address",
            "public address",
            f"{url} is reachable from this machine only, but {remote[0]} is remote",
        )
        return
    if remote and address.scheme != "https":
        yield failed("public_address", "public address", f"{url} is not https, which ION requires")
        return
    live = _get(f"{url}/livez")
    if not isinstance(live, dict):
        yield failed("public_address", "public address", f"{url}: {live}")
    elif live.get("status") != "alive":
        yield failed("public_address", "public address", f"{url}: {_NOT_A_HUB}")
    else:
        yield passed(
            "public_address", "public address", f"{url} responds (tested from this machine)"
        )


def _get(url: str) -> Json | str:
    """Return the JSON object at an address, whatever its status, or the reason for its absence."""
    try:
        with opener(url).open(url, timeout=_TIMEOUT_SECONDS) as answer:
            return _decode(read_file(answer))
    except urllib.error.HTTPError as error:
        with error:
            body = _decode(read_file(error))
            return body if isinstance(body, dict) else f"status {error.code}; {_NOT_A_HUB}"
    except (OSError, ValueError, AnswerTooLargeError, InvalidError) as error:
        return f"no response ({getattr(error, 'reason', error)})"


def _decode(body: bytes) -> Json | str:
    try:
        decoded: Any = json.loads(body)
    except ValueError:
        return _NOT_A_HUB
    return cast("Json", decoded) if isinstance(decoded, dict) else _NOT_A_HUB


def _is_local(url: str) -> bool:
    host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    return is_loopback(host) or host == "0.0.0.0"  # noqa: S104  compared, not bound
