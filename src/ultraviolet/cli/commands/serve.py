"""`ultraviolet serve`: run the hub."""

import os
from pathlib import Path
from typing import Literal

import typer

from ultraviolet.server.reexec import exec_hub

Role = Literal["all", "web", "worker"]


def serve(
    *,
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8000, min=0, max=65_535, help="Port to listen on; 0: any free port."),
    data: Path = typer.Option(
        Path("ultraviolet-data"),
        envvar="ULTRAVIOLET_DATA",
        help="Directory of the database, the secret key and hub.json.",
    ),
    role: Role = typer.Option(
        "all",
        envvar="ULTRAVIOLET_ROLE",
        help="web: pages, API and deliveries; worker: apply, heal and sync; all: both.",
    ),
    workers: int = typer.Option(
        1,
        min=1,
        envvar="ULTRAVIOLET_WORKERS",
        help="Number of processes behind this address; requires PostgreSQL.",
    ),
    spool: Path | None = typer.Option(
        None,
        envvar="ULTRAVIOLET_SPOOL",
        help="Folder for acknowledged deliveries while the database is unavailable.",
    ),
    fd: int | None = typer.Option(None, hidden=True, help="File descriptor of a listening socket."),
) -> None:
    """Run the hub: pages, API, webhook deliveries, and the work of its integrations.

    On PostgreSQL, any number of processes may run on any number of machines. One of them applies,
    heals and syncs each integration; if it dies, another takes over within seconds. On SIGHUP the
    hub loads the installed release without interrupting deliveries.

    The hub also reads ULTRAVIOLET_DATABASE_URL, ULTRAVIOLET_PUBLIC_URL, ULTRAVIOLET_ADMIN_KEY and
    ULTRAVIOLET_SECRET_KEY from the environment; `ultraviolet config show` explains them.

    Examples: `ultraviolet serve`,
    `ultraviolet serve --host 0.0.0.0 --port 8000 --data /var/lib/ultraviolet`,
    `ultraviolet serve --workers 4`
    """
    from ultraviolet.child_process import free_port

    if spool:  # by environment, so that worker processes inherit it
        os.environ["ULTRAVIOLET_SPOOL"] = str(spool.absolute())
    port = port or free_port(host=host)
    exec_hub(
        {"host": host, "port": port, "data": str(data), "role": role, "workers": workers, "fd": fd}
    )
