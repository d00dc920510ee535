"""`ultraviolet demo`: run a local ION with a busy plant and a hub connected to it."""

import secrets
import shlex
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ultraviolet.child_process import Child, end_orphan, free_port, is_responding
from ultraviolet.cli.support import contexts
from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.connection import find_running
from ultraviolet.cli.support.progress import follow_fetch
from ultraviolet.clock import now_rfc3339
from ultraviolet.command_text import DEMO_LOCK, program
from ultraviolet.errors import UltravioletError
from ultraviolet.file_lock import lock_folder
from ultraviolet.files import create_private, ensure_private_dir

if TYPE_CHECKING:
    from ultraviolet.cli.support.transports import Api

INTEGRATION_NAME = "Local ION"
_CONTEXT_NAME = "demo"
FIRST_CHANGE_TIMEOUT_SECONDS = 60.0
DEFAULT_PORTS = (8000, 8100)
"""The ports of the hub and of the local ION at the first start."""
_PORTS = "ports.json"
_HUB_PROCESS, _ION_PROCESS = "hub-process.lock", "ion-process.lock"
_FILES = (
    *("credentials.json", _PORTS, DEMO_LOCK, _HUB_PROCESS, _ION_PROCESS),
    *("hub.log", "ion.log", "hub", "ion"),
)
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


class Ports(msgspec.Struct, frozen=True):
    """The ports of the last successful start, so that printed and stored addresses stay valid."""

    hub: int
    ion: int


class StartedDemo(msgspec.Struct, frozen=True):
    """The sign-in link of the hub, and a purchase order to change; 0 without one."""

    link: str
    order_id: int


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
        int | None,
        typer.Option(
            help="Port of the hub, by default that of the last successful start or 8000; the"
            " next free port if it is in use."
        ),
    ] = None,
    ion_port: Annotated[
        int | None,
        typer.Option(
            help="Port of the local ION, by default that of the last successful start or 8100;"
            " the next free port if it is in use."
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Exit as soon as changes arrive.")] = False,
    browser: Annotated[bool, typer.Option(help="Open the hub in a browser.")] = True,
) -> None:
    """Start a local ION and a hub, connect them, and run a full sync and continuous changes.

    The steps are those of the setup guide: integration, webhook URL, receiver, subscriptions,
    first sync.

    Examples: `ultraviolet demo`,
    `ultraviolet demo --size medium --changes-per-second 20 --no-browser`
    """
    # SIGTERM must stop the child processes as Ctrl-C does, and so must a closed terminal, except
    # under nohup. A shell starts the background jobs of a script with SIGINT ignored.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    start, started_at = time.monotonic(), now_rfc3339()
    ensure_private_dir(data, _FILES)
    with ExitStack() as stack:
        write_url = stack.enter_context(lock_folder(data, DEMO_LOCK, "The demo"))
        _end_earlier_processes(data)
        remembered = _load_ports(data)
        usual = remembered or Ports(*DEFAULT_PORTS)
        hub_port = _pick_port(usual.hub if port is None else port)
        ports = Ports(
            hub_port, _pick_port(usual.ion if ion_port is None else ion_port, taken=hub_port)
        )
        ion_url, hub_url = f"http://127.0.0.1:{ports.ion}", f"http://127.0.0.1:{ports.hub}"
        write_url(hub_url)
        credentials = _load_credentials(data)
        options = ["--size", size, "--changes-per-second", str(changes_per_second)]
        ion = stack.enter_context(
            Child(
                "The local ION",
                ["ion", "serve", "--port", str(ports.ion), "--data", str(data / "ion"), *options],
                data / "ion.log",
                {
                    "ION_CLIENT_ID": credentials.client_id,
                    "ION_CLIENT_SECRET": credentials.client_secret,
                },
                restarts=1,
                lock=data / _ION_PROCESS,
                ends_with_parent=True,
            )
        )
        hub = stack.enter_context(
            Child(
                "The hub",
                ["serve", "--port", str(ports.hub), "--data", str(data / "hub")],
                data / "hub.log",
                {"ULTRAVIOLET_PUBLIC_URL": hub_url},
                restarts=1,
                lock=data / _HUB_PROCESS,
                ends_with_parent=True,
            )
        )
        if remembered:
            _say(f"Continuing with the local ION and the hub in {data} …")
        else:
            _say(f"Starting a local ION with a {size} plant …")
        started = _set_up_with_retry(
            ion,
            hub,
            lambda: _set_up(
                data,
                (ion_url, hub_url),
                (ion, hub),
                credentials,
                started_at if changes_per_second else None,
            ),
        )
        (data / _PORTS).write_bytes(msgspec.json.encode(ports))
        with suppress(KeyboardInterrupt):
            _print_addresses(hub_url, ion_url, started, time.monotonic() - start, data)
            if browser and not once:
                typer.launch(started.link)
            while not once:
                ion.check()
                hub.check()
                time.sleep(0.5)
    if not once:
        _say("Both are stopped. Run the same command to continue with the same data.")


def _set_up_with_retry(ion: Child, hub: Child, set_up: Callable[[], StartedDemo]) -> StartedDemo:
    """Run the setup; run it again if one of the processes crashed and was restarted."""
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
    changes_since: str | None,
) -> StartedDemo:
    """Wait for both processes, connect them, run a full fetch; return the addresses to open.

    Also wait for a delivery after `changes_since`, if it is not None.
    """
    from ultraviolet.cli.support.transports import Api

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
    if (running := find_running(data / "hub")) is None:
        raise DemoError(f"The hub stopped during the setup: {data}/hub/hub.json is missing.")
    with Api(running.url, running.key) as api:
        integration = _connect(api, ion_url, credentials)
        if "demo" not in [user["name"] for user in api.items("/users", 1000)]:
            api.post("/users", {"name": "demo", "role": "admin"})
        link = str(api.post("/users/demo/sign-in-links")["url"])
        if changes_since:
            _wait_for_delivery(api, integration, (ion, hub), changes_since)
        given = {"integration": integration["id"], "sort": "id"}
        oldest = next(api.items("/objects/purchase_orders", 1, **given), None)
    # the plant rarely changes its oldest order, so that the etag of an open form stays current
    return StartedDemo(link, int(oldest["id"]) if oldest else 0)


def _load_credentials(data: Path) -> Credentials:
    path = data / "credentials.json"
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    credentials = Credentials(f"demo-{secrets.token_hex(4)}", secrets.token_urlsafe(24))
    create_private(path)
    path.write_bytes(msgspec.json.encode(credentials))
    return credentials


def _connect(api: "Api", ion_url: str, credentials: Credentials) -> Json:
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
        raise DemoError(f"The first sync did not finish: {fetch}")
    return integration


def _wait_for_delivery(
    api: "Api", integration: Json, children: tuple[Child, ...], since: str
) -> None:
    """Wait for a delivery after `since`; older ones do not show that ION reaches this hub now."""
    _say("Waiting for the first delivery from the local ION …")
    deadline = time.monotonic() + FIRST_CHANGE_TIMEOUT_SECONDS
    urls = to("/integrations/{}/webhook-urls", integration["id"])
    while not any((url["last_delivery_at"] or "") > since for url in api.items(urls, 100)):
        for child in children:
            child.check()
        if time.monotonic() > deadline:
            raise DemoError(f"No delivery arrived within {FIRST_CHANGE_TIMEOUT_SECONDS:.0f} s.")
        api.pause(0.1)


def _print_addresses(
    hub_url: str, ion_url: str, started: StartedDemo, seconds: float, data: Path
) -> None:
    this, hub = program(), shlex.quote(str((data / "hub").absolute()))
    context = _add_context(data / "hub")
    use = f"\nTo use this hub without --data: {this} context use {context}" if context else ""
    if started.order_id:
        page = f"purchase_orders/{started.order_id}"
        change = f"""Change a purchase order: select Edit beside its description, and save.
  Change it    {ion_url}/resources/{page}?edit=description
  See it       {hub_url}/objects/{page}"""
    else:
        change = f"""Create a purchase order in the local ION and see it arrive in the hub:
  Create it    {ion_url}/resources/purchase_orders/new
  See it       {hub_url}/objects/purchase_orders"""
    typer.echo(f"""
Ready after {seconds:.0f} s, and changes are flowing.

  Hub          {hub_url}
  Sign in      {started.link}   (once, within 15 minutes)
  Local ION    {ion_url}/home

{change}
  Query runner {ion_url}/?example=update-order   (the same as a mutation, ready to run)

On the command line: {this} status --data {hub}{use}
Logs: {data / "hub.log"}, {data / "ion.log"}. Press Ctrl-C to stop both.""")


def _add_context(hub: Path) -> str | None:
    """Store the hub as a context of the user; return its name, or None if this was not possible.

    The context is not used. That of another demo, whose folder still exists, is kept.
    """
    directory = str(hub.absolute())
    with suppress(UltravioletError, OSError):
        stored = contexts.load()
        names = chain([_CONTEXT_NAME], (f"{_CONTEXT_NAME}-{n}" for n in count(2)))
        name = next(name for name in names if _is_free(stored.contexts.get(name), directory))
        stored.contexts[name] = contexts.Context(data=directory)
        stored.save()
        return name
    return None


def _is_free(known: contexts.Context | None, directory: str) -> bool:
    """Return whether a context does not exist, or is of this hub or of one that was removed."""
    if known is None or known.data == directory:
        return True
    return known.data is not None and not Path(known.data).exists()


def _end_earlier_processes(data: Path) -> None:
    """End the processes of a killed demo; raise ConflictError if others use the same data."""
    for process in (_HUB_PROCESS, _ION_PROCESS):
        end_orphan(data / process)
    for folder, file, name in (
        ("hub", "hub.lock", "The hub"),
        ("ion", "ion.lock", "The local ION"),
    ):
        with lock_folder(data / folder, file, name):
            pass


def _load_ports(data: Path) -> Ports | None:
    """Return the ports of the last successful start, None before the first."""
    with suppress(FileNotFoundError, msgspec.DecodeError):
        return msgspec.json.decode((data / _PORTS).read_bytes(), type=Ports)
    return None


def _pick_port(preferred: int, taken: int = 0) -> int:
    """Return the preferred port, or the next free one except `taken`, with a message."""
    port = free_port(preferred, taken=taken)
    if preferred not in (0, port):
        _say(f"Port {preferred} is in use; using {port}.")
    return port


def _say(text: str) -> None:
    typer.echo(text, err=True)
