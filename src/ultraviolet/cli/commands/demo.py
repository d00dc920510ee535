"""`ultraviolet demo`: a local ION with a busy plant and a hub, connected as a person would connect them."""

import secrets
import signal
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

NAME = "Local ION"
FIRST_CHANGES = 60.0
_FILES = ("credentials.json", "hub.log", "ion.log", "hub", "ion")
"""What a demo writes into its folder."""
NOTICED = 2.0
"""Seconds in which a process that a failed step depends on is seen to have ended."""


class DemoError(UltravioletError):
    """The demo did not come up; its logs say more."""

    kind = "demo-failed"


class Credentials(msgspec.Struct, frozen=True):
    """The API key of the local ION, kept so that the demo can be started again."""

    client_id: str
    client_secret: str


def demo(
    *,
    data: Annotated[Path, typer.Option(help="Directory for everything the demo keeps.")] = Path(
        "demo-data"
    ),
    size: Annotated[
        str, typer.Option(help="Size of the plant: small, medium, large or a number.")
    ] = "small",
    changes_per_second: Annotated[float, typer.Option(min=0, help="How busy the plant is.")] = 2.0,
    port: Annotated[
        int, typer.Option(help="Port of the hub; another one where it is taken.")
    ] = 8000,
    ion_port: Annotated[
        int, typer.Option(help="Port of the local ION; another one where it is taken.")
    ] = 8100,
    once: Annotated[
        bool, typer.Option("--once", help="Leave as soon as everything works.")
    ] = False,
    browser: Annotated[bool, typer.Option(help="Open the pages in a browser.")] = True,
) -> None:
    """Start a local ION and a hub, connect them, read everything, and keep changes flowing.

    The steps are those of docs/set-up.md: integration, webhook URL, receiver, subscriptions, first fetch.

    Examples: `ultraviolet demo`, `ultraviolet demo --size medium --changes-per-second 20 --no-browser`
    """
    # A plain kill must end the children as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    ion_url = f"http://127.0.0.1:{free_port(ion_port)}"
    hub_url = f"http://127.0.0.1:{free_port(port)}"
    ensure_private_dir(data, _FILES)
    with ExitStack() as stack:
        credentials = _credentials(data)
        options = ("--size", size, "--changes-per-second", str(changes_per_second))
        ion = stack.enter_context(_ion(data, ion_url, credentials, options))
        hub = stack.enter_context(_hub(data, hub_url))
        _say(f"Starting a local ION with a {size} plant …")
        link = _set_up_until_done(
            ion,
            hub,
            lambda: _set_up(data, (ion_url, hub_url), (ion, hub), credentials, changes_per_second),
        )
        _print_addresses(hub_url, ion_url, link, time.monotonic() - began, data)
        if once:
            return
        if browser:
            typer.launch(link)
        with suppress(KeyboardInterrupt):
            _stay((ion, hub))
        _say("Both are stopped; the same command goes on where they were.")


def _set_up_until_done(ion: Child, hub: Child, set_up: Callable[[], str]) -> str:
    """Run the steps, and again from the first where one of the processes had to be started again."""
    while True:
        before = ion.restarts_left + hub.restarts_left
        try:
            return set_up()
        except UltravioletError:
            deadline = time.monotonic() + NOTICED
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
    """Wait for both, connect them, read everything; return a sign-in link."""
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
        link = _sign_in_link(api)
        _first_change(api, integration, (ion, hub), rate)
    return link


def _ion(data: Path, url: str, credentials: Credentials, options: tuple[str, ...]) -> Child:
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
    from ultraviolet.cli.support.transports import HttpTransport

    running = find_running(data)
    if running is None:
        raise DemoError(f"The hub left {data / 'hub.json'} too early.")
    return Api(HttpTransport(running.url, running.key))


def _credentials(data: Path) -> Credentials:
    path = data / "credentials.json"
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    made = Credentials(f"demo-{secrets.token_hex(4)}", secrets.token_urlsafe(24))
    create_private(path)
    path.write_bytes(msgspec.json.encode(made))
    return made


def _connect(api: Api, ion_url: str, credentials: Credentials) -> Json:
    _say("Connecting the hub: integration, credentials, webhook URL, receiver, subscriptions …")
    integration = next(api.items("/integrations", 1), None)
    given = {
        "name": NAME,
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
        raise DemoError(f"The connection does not work: {result['findings']}")
    api.post(to("/integrations/{}/setup", id_), {"mode": "automatic"})
    begun = api.post(to("/integrations/{}/fetches", id_), {"mode": "full"})
    fetch = follow_fetch(api, begun, quiet=False)
    if fetch["state"] != "done":
        raise DemoError(f"The first fetch did not finish: {fetch}")
    return integration


def _sign_in_link(api: Api) -> str:
    names = [user["name"] for user in api.items("/users", 1000)]
    if "demo" not in names:
        api.post("/users", {"name": "demo", "role": "admin"})
    return str(api.post("/users/demo/sign-in-links")["url"])


def _first_change(api: Api, integration: Json, children: tuple[Child, ...], rate: float) -> None:
    if rate == 0:
        return
    _say("Waiting for the first change of the plant …")
    deadline = time.monotonic() + FIRST_CHANGES
    while next(api.items("/events", 1, integration=integration["id"]), None) is None:
        for child in children:
            child.check()
        if time.monotonic() > deadline:
            raise DemoError(f"No delivery came within {FIRST_CHANGES:.0f} s.")
        api.pause(0.1)


def _print_addresses(hub_url: str, ion_url: str, link: str, seconds: float, data: Path) -> None:
    typer.echo(f"""
Ready after {seconds:.0f} s, and changes are flowing.

  Hub          {hub_url}
  Sign in      {link}   (once, within 15 minutes)
  Local ION    {ion_url}/home
  Query runner {ion_url}/

Change a purchase order in the query runner and watch it arrive in the hub.
On the command line: ultraviolet status --data {data / "hub"}
Logs: {data / "hub.log"}, {data / "ion.log"}. Ctrl-C ends both.""")


def _stay(children: tuple[Child, ...]) -> None:
    while True:
        for child in children:
            child.check()
        time.sleep(0.5)


def _say(text: str) -> None:
    typer.echo(text, err=True)
