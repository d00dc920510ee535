"""A local ION for tests: a process, and a small client of its API and control API."""

import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ultraviolet.child_process import Child
from ultraviolet.errors import UltravioletError

TOKEN_PATH = "/realms/api-keys/protocol/openid-connect/token"  # noqa: S105  a path
MODULE = "ultraviolet.local_ion"
CLIENT_ID = "test"
CLIENT_SECRET = "test-secret-0123456789"  # noqa: S105  for tests
TIMEOUT_SECONDS = 120.0
SUCCEEDED_EVENTS = """query ($after: ID) {
  webhookEvents(filters: {status: {eq: SUCCEEDED}, id: {gt: $after}}, sort: [ID_ASC], first: 5000) {
    edges { node { id } } } }"""


class RefusedError(UltravioletError):
    """The local ION responded with an error."""

    kind = "refused"


class Faults:
    """The faults of a local ION; docs/local-ion.md lists the kinds and scenarios."""

    def __init__(self, call: Callable[[str, str, Any], Any]) -> None:
        """Use this function for requests to the control API."""
        self._call = call

    def set(self, kind: str, **settings: Any) -> dict[str, Any]:
        """Add one fault, such as `set("latency", seconds=2, probability=0.3, seed=7)`."""
        return self._call("POST", "/_local/faults", {"kind": kind, **settings})[0]

    def scenario(self, name: str, seed: int | None = None) -> list[dict[str, Any]]:
        """Add the faults of a named scenario."""
        return self._call("POST", "/_local/faults/scenarios", {"scenario": name, "seed": seed})

    def clear(self, which: int | str | None = None) -> None:
        """Clear all faults, one fault by id, or the faults of a kind."""
        query = "" if which is None else f"?which={which}"
        self._call("DELETE", f"/_local/faults{query}", None)

    def listed(self) -> list[dict[str, Any]]:
        """Return the current faults with the numbers of their matches and triggers."""
        return self._call("GET", "/_local/faults", None)

    def triggered(self, kind: str) -> int:
        """Return how often the faults of a kind have triggered."""
        return sum(each["triggered"] for each in self.listed() if each["fault"]["kind"] == kind)


class LocalIonProcess:
    """A running local ION."""

    def __init__(self, url: str, child: Child, data: Path) -> None:
        """Use a process that serves this address."""
        self.url = url
        self.child = child
        self.data = data
        self.client_id = CLIENT_ID
        self.client_secret = CLIENT_SECRET
        self.faults = Faults(self._call_control_api)
        self.ca_file = data / "tls" / "ca.pem" if url.startswith("https") else None
        self._context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        self._token: tuple[str, float] | None = None

    def token(self) -> str:
        """Return an access token with at least half of its lifetime left."""
        if self._token is None or time.monotonic() > self._token[1]:
            form = {
                "grant_type": "client_credentials",
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
            }
            response = json.loads(
                self._send("POST", TOKEN_PATH, urllib.parse.urlencode(form).encode(), {})
            )
            self._token = (
                response["access_token"],
                time.monotonic() + response["expires_in"] / 2,
            )
        return self._token[0]

    def post(self, body: Any) -> Any:
        """Post a GraphQL request or a batch unchanged; return the response, including errors."""
        headers = {"authorization": f"Bearer {self.token()}", "content-type": "application/json"}
        return json.loads(self._send("POST", "/graphql", json.dumps(body).encode(), headers))

    def execute(self, query: str, **variables: Any) -> dict[str, Any]:
        """Run an operation and return its data. Raise RefusedError for errors."""
        answer = self.post({"query": query, "variables": variables})
        if "errors" in answer:
            raise RefusedError(str(answer["errors"]))
        return answer["data"]

    def rest(self) -> None:
        """Stop the changes of the plant."""
        self._call_control_api("PATCH", "/_local/plant", {"changes_per_second": 0})

    def changes(self) -> int:
        """Return the number of changes that the plant has made."""
        return self._call_control_api("GET", "/_local/plant", None)["changes"]

    def accepted(self) -> set[str]:
        """Return the ids of the webhook events with the status SUCCEEDED."""
        found: set[str] = set()
        while True:
            last = max((int(id_) for id_ in found), default=0)
            edges = self.execute(SUCCEEDED_EVENTS, after=last)["webhookEvents"]["edges"]
            if not edges:
                return found
            found |= {str(edge["node"]["id"]) for edge in edges}

    def snapshot(self, name: str = "default") -> None:
        """Save the current state under a name."""
        self._call_control_api("POST", "/_local/snapshot", {"name": name})

    def restore(self, name: str = "default") -> None:
        """Restore a saved state."""
        self._call_control_api("POST", "/_local/restore", {"name": name})

    def reset(self, *, empty: bool = False) -> None:
        """Reset to the initial plant, or to an empty local ION."""
        self._call_control_api("POST", "/_local/reset", {"to": "empty" if empty else "plant"})

    def _call_control_api(self, method: str, path: str, body: Any) -> Any:
        content = None if body is None else json.dumps(body).encode()
        return json.loads(self._send(method, path, content, {"content-type": "application/json"}))

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        request = urllib.request.Request(  # noqa: S310  a local address
            self.url + path, data=body, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(  # noqa: S310
                request, timeout=TIMEOUT_SECONDS, context=self._context
            ) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(
                    f"{path}: {error.code} {error.read().decode(errors='replace')[:2000]}"
                ) from error


@contextmanager
def running_local_ion(
    data: Path, options: Sequence[str] = (), *, port: int = 0, seconds: float = 120
) -> Generator[LocalIonProcess]:
    """Run a local ION for the duration of the block, ready from its start.

    The options are those of `ultraviolet ion serve`, except those that read from a hub.
    """
    arguments = ["--port", str(port), "--data", str(data), *options]
    environment = {"ION_CLIENT_ID": CLIENT_ID, "ION_CLIENT_SECRET": CLIENT_SECRET}
    log = data.parent / "ion.log"
    with Child("The local ION", arguments, log, environment, module=MODULE) as child:
        address = data / "local-ion.json"

        def is_listening() -> bool:
            return address.exists() and json.loads(address.read_bytes())["pid"] == child.process.pid

        child.wait_until(is_listening, seconds)
        ion = LocalIonProcess(json.loads(address.read_bytes())["url"], child, data)
        context = ssl.create_default_context(cafile=ion.ca_file) if ion.ca_file else None

        def is_ready() -> bool:
            ready = f"{ion.url}/_local/ready"
            try:
                with urllib.request.urlopen(ready, timeout=2, context=context) as answer:  # noqa: S310
                    return bool(json.load(answer)["ready"])
            except OSError:
                return False

        child.wait_until(is_ready, seconds)
        yield ion
