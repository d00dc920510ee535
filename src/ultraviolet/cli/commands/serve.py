"""`ultraviolet serve`: the hub as a process."""

import os
from pathlib import Path
from typing import Literal

import typer

from ultraviolet.server.reexec import exec_hub

Role = Literal["all", "web", "worker"]


def serve(
    *,
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(
        8000, min=0, max=65_535, help="Port to listen on; 0 takes a free one."
    ),
    data: Path = typer.Option(
        Path("ultraviolet-data"),
        envvar="ULTRAVIOLET_DATA",
        help="Directory of the database, the secret key and hub.json.",
    ),
    role: Role = typer.Option(
        "all",
        envvar="ULTRAVIOLET_ROLE",
        help="web serves pages, API and deliveries; worker applies, heals and fetches; all does both.",
    ),
    workers: int = typer.Option(
        1,
        min=1,
        envvar="ULTRAVIOLET_WORKERS",
        help="Processes behind this address; needs PostgreSQL.",
    ),
    spool: Path | None = typer.Option(
        None,
        envvar="ULTRAVIOLET_SPOOL",
        help="Folder where deliveries are kept, and acknowledged, while the database is away.",
    ),
    fd: int | None = typer.Option(None, hidden=True, help="A socket that listens already."),
) -> None:
    """Run the hub: pages, API and webhook deliveries, and the duties of its integrations.

    On PostgreSQL any number of processes may run, here with --workers and elsewhere: each integration is applied,
    healed and fetched by one of them, and by another within seconds when that one dies. SIGHUP puts in the program that
    is now on disk; deliveries are taken all the while.

    ULTRAVIOLET_DATABASE_URL, ULTRAVIOLET_PUBLIC_URL, ULTRAVIOLET_ADMIN_KEY and ULTRAVIOLET_SECRET_KEY
    are read from the environment; `ultraviolet config show` explains them.

    Examples: `ultraviolet serve`,
    `ultraviolet serve --host 0.0.0.0 --port 8000 --data /var/lib/ultraviolet`,
    `ultraviolet serve --workers 4`
    """
    from ultraviolet.child_process import free_port

    if spool:
        os.environ["ULTRAVIOLET_SPOOL"] = str(
            spool.absolute()
        )  # for processes that this one starts too
    port = port or free_port(host=host)
    exec_hub(
        {"host": host, "port": port, "data": str(data), "role": role, "workers": workers, "fd": fd}
    )
