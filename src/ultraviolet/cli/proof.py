"""`ultraviolet status`: is everything well."""

import typer

from ultraviolet.cli.session import Session, command

app = typer.Typer()

STATUS = {"integration": "name", "state": "state", "stale": "stale", "last event": "last_event_at"}


@command(app, "status")
def status(session: Session) -> None:
    """Show how the hub and its integrations are doing."""
    state = session.api.get("/status")
    if session.as_json:
        session.show(state)
        return
    integrations = state.pop("integrations", [])
    session.show(state)
    session.show_list(iter(integrations), STATUS, "No integration yet. Next: ultraviolet integration add")
