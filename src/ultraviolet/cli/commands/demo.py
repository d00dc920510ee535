"""`ultraviolet demo`: run a local ION with a busy plant and a hub connected to it."""

import secrets
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ultraviolet.child_process import Child, free_port, is_responding
from ultraviolet.cli.support.api import Api, Json, to
from ultraviolet.cli.support.connection import find_running
from ultraviolet.cli.support.progress import follow_fetch
from ultraviolet.errors import UltravioletError
from ultraviolet.files import create_private, ensure_private_dir

INTEGRATION_NAME = "Local ION"
FIRST_CHANGE_TIMEOUT_SECONDS = 60.0
_FILES = ("credentials.json", "hub.log", "ion.log", "hub", "ion")
"""The files and folders that a demo writes into its directory."""
CRASH_DETECTION_SECONDS = 2.0
"""How long a failed step waits for one of the processes to be found crashed."""


class DemoError(UltravioletError):
    """The demo did not start; see its logs."""

    kind = "demo-failed"


class Credentials(msgspec.Struct, frozen=True):
    """The API key of the local ION, stored so that the demo can be restarted."""

    client_id: str
    client_secret: str


def demo(
    *,
    data: Annotated[Path, typer.Option(help="Directory of the demo's data.")] = Path("demo-data"),
    size: Annotated[
        str, typer.Option(help="Size of the plant: small, medium, large or a number.")
    ] = "small",
    changes_per_second: Annotated[
        float, typer.Option(min=0, help="Changes that the plant makes per second.")
    ] = 2.0,
    port: Annotated[
        int, typer.Option(help="Port of the hub; any free port if it is in use.")
    ] = 8000,
    ion_port: Annotated[
        int, typer.Option(help="Port of the local ION; any free port if it is in use.")
    ] = 8100,
    once: Annotated[bool, typer.Option("--once", help="Exit as soon as changes arrive.")] = False,
    browser: Annotated[bool, typer.Option(help="Open the hub in a browser.")] = True,
) -> None:
    """Start a local ION and a hub, connect them, and run a full fetch and continuous changes.

    The steps are those of the set-up guide: integration, webhook URL, receiver, subscriptions,
    first fetch.

    Examples: `ultraviolet demo`,
    `ultraviolet demo --size medium --changes-per-second 20 --no-browser`
    """
    # SIGTERM must stop the child processes as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    ion_url = f"http://127.0.0.1:{free_port(ion_port)}"
    hub_url = f"http://127.0.0.1:{free_port(port)}"
    ensure_private_dir(data, _FILES)
    with ExitStack() as stack:
        credentials = _load_credentials(data)
        options = ("--size", size, "--changes-per-second", str(changes_per_second))
        ion = stack.enter_context(_local_ion(data, ion_url, credentials, options))
        hub = stack.enter_context(_hub(data, hub_url))
        _say(f"Starting a local ION with a {size} plant …")
        link = _set_up_with_retry(
            ion,
            hub,
            lambda: _set_up(data, (ion_url, hub_url), (ion, hub), credentials, changes_per_second),
        )
        _print_addresses(hub_url, ion_url, link, time.monotonic() - started, data)
        if once:
            return
        if browser:
            typer.launch(link)
        with suppress(KeyboardInterrupt):
            _supervise((ion, hub))
        _say("Both are stopped. Run the same command to continue with the same data.")


def _set_up_with_retry(ion: Child, hub: Child, set_up: Callable[[], str]) -> str:
    """Run the set-up; run it again if one of the processes crashed and was restarted."""
    while True:
        before = ion.restarts_left + hub.restarts_left
        try:
            return set_up()
        except UltravioletError:
            deadline = time.monotonic() + CRASH_DETECTION_SECONDS
            while ion.restarts_left + hub.restarts_left == before:
                ion.check()
                hub.check()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def _set_up(
    data: Path,
    urls: tuple[str, str],
    children: tuple[Child, Child],
    credentials: Credentials,
    rate: float,
) -> str:
    """Wait for both processes, connect them, run a full fetch; return a sign-in link."""
    (ion_url, hub_url), (ion, hub) = urls, children

    def hub_is_ready() -> bool:
        running = find_running(data / "hub")
        return (
            running is not None
            and running.pid == hub.process.pid
            and is_responding(f"{hub_url}/livez")
        )

    ion.wait_until(lambda: is_responding(f"{ion_url}/_local/ready"), 600)
    hub.wait_until(hub_is_ready, 60)
    with _api(data / "hub") as api:
        integration = _connect(api, ion_url, credentials)
        link = _create_sign_in_link(api)
        _wait_for_first_change(api, integration, (ion, hub), rate)
    return link


def _local_ion(data: Path, url: str, credentials: Credentials, options: tuple[str, ...]) -> Child:
    host, port = url.removeprefix("http://").split(":")
    arguments = [
        "ion",
        "serve",
        "--host",
        host,
        "--port",
        port,
        "--data",
        str(data / "ion"),
        *options,
    ]
    environment = {
        "ION_CLIENT_ID": credentials.client_id,
        "ION_CLIENT_SECRET": credentials.client_secret,
    }
    return Child("The local ION", arguments, data / "ion.log", environment, restarts=1)


def _hub(data: Path, url: str) -> Child:
    host, port = url.removeprefix("http://").split(":")
    arguments = ["serve", "--host", host, "--port", port, "--data", str(data / "hub")]
    return Child(
        "The hub", arguments, data / "hub.log", {"ULTRAVIOLET_PUBLIC_URL": url}, restarts=1
    )


def _api(data: Path) -> Api:
    running = find_running(data)
    if running is None:
        raise DemoError(f"The hub stopped during the set-up: {data / 'hub.json'} is missing.")
    return Api(running.url, running.key)


def _load_credentials(data: Path) -> Credentials:
    path = data / "credentials.json"
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    credentials = Credentials(f"demo-{secrets.token_hex(4)}", secrets.token_urlsafe(24))
    create_private(path)
    path.write_bytes(msgspec.json.encode(credentials))
    return credentials


def _connect(api: Api, ion_url: str, credentials: Credentials) -> Json:
    _say("Connecting the hub: integration, credentials, webhook URL, receiver, subscriptions …")
    integration = next(api.items("/integrations", 1), None)
    given = {
        "name": INTEGRATION_NAME,
        "api_url": ion_url,
        "auth_url": ion_url,
        **msgspec.to_builtins(credentials),
    }
    if integration is None:
        integration = api.post("/integrations", given)
    else:
        integration = api.patch(to("/integrations/{}", integration["id"]), given)
    id_ = integration["id"]
    result = api.post(to("/integrations/{}/test", id_))
    if not result["ok"]:
        raise DemoError(f"The connection test failed: {result['findings']}")
    api.post(to("/integrations/{}/setup", id_), {"mode": "automatic"})
    fetch = api.post(to("/integrations/{}/fetches", id_), {"mode": "full"})
    fetch = follow_fetch(api, fetch, quiet=False)
    if fetch["state"] != "done":
        raise DemoError(f"The first fetch did not finish: {fetch}")
    return integration


def _create_sign_in_link(api: Api) -> str:
    names = [user["name"] for user in api.items("/users", 1000)]
    if "demo" not in names:
        api.post("/users", {"name": "demo", "role": "admin"})
    return str(api.post("/users/demo/sign-in-links")["url"])


def _wait_for_first_change(
    api: Api, integration: Json, children: tuple[Child, ...], rate: float
) -> None:
    if rate == 0:
        return
    _say("Waiting for the first delivery from the local ION …")
    deadline = time.monotonic() + FIRST_CHANGE_TIMEOUT_SECONDS
    while next(api.items("/events", 1, integration=integration["id"]), None) is None:
        for child in children:
            child.check()
        if time.monotonic() > deadline:
            raise DemoError(f"No delivery arrived within {FIRST_CHANGE_TIMEOUT_SECONDS:.0f} s.")
        api.pause(0.1)


def _print_addresses(hub_url: str, ion_url: str, link: str, seconds: float, data: Path) -> None:
    typer.echo(f"""
Ready after {seconds:.0f} s, and changes are flowing.

  Hub          {hub_url}
  Sign in      {link}   (once, within 15 minutes)
  Local ION    {ion_url}/home
  Query runner {ion_url}/

Change a purchase order in the query runner and watch it arrive in the hub.
On the command line: {_program()} status --data {shlex.quote(str(data / "hub"))}
Logs: {data / "hub.log"}, {data / "ion.log"}. Press Ctrl-C to stop both.""")


def _program() -> str:
    """Return how to call this program: by name if it is on PATH, else as it was started."""
    on_path = shutil.which("ultraviolet")
    if on_path and Path(on_path).parent == Path(sys.executable).parent:
        return "ultraviolet"
    if Path(sys.argv[0]).name == "__main__.py":
        return shlex.join([sys.executable, "-m", "ultraviolet"])
    return shlex.quote(sys.argv[0])


def _supervise(children: tuple[Child, ...]) -> None:
    while True:
        for child in children:
            child.check()
        time.sleep(0.5)


def _say(text: str) -> None:
    typer.echo(text, err=True)
