"""`ultraviolet serve`: the hub as a process."""

from pathlib import Path

import typer


def serve(
    *,
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8000, help="Port to listen on."),
    data: Path = typer.Option(
        Path("ultraviolet-data"),
        envvar="ULTRAVIOLET_DATA",
        help="Directory of the database, the secret key and hub.json.",
    ),
) -> None:
    """Run the hub: pages, API and webhook deliveries.

    ULTRAVIOLET_DATABASE_URL, ULTRAVIOLET_PUBLIC_URL, ULTRAVIOLET_ADMIN_KEY and ULTRAVIOLET_SECRET_KEY
    are read from the environment; `ultraviolet config show` explains them.
    """
    from ultraviolet.cli import logs
    from ultraviolet.web import server

    logs.configure()
    server.serve(server.ServeOptions(host=host, port=port, data=data))
