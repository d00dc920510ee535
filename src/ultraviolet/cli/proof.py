"""`ultraviolet verify` and `ultraviolet status`: is the mirror right, and is everything well."""

from typing import Annotated

import typer

from ultraviolet.cli.api import Json
from ultraviolet.cli.integrations import Name
from ultraviolet.cli.session import Session, command
from ultraviolet.errors import UltravioletError

app = typer.Typer()

COUNTS = ("objects", "equal", "missing", "extra", "different")
STATUS = {"integration": "name", "state": "state", "stale": "stale", "last event": "last_event_at"}


class DifferentError(UltravioletError):
    """The mirror and ION differ; what is stale is being read again, so verify once more in a moment."""

    kind = "different"
    exit_code = 9


@command(app, "verify")
def verify(
    session: Session,
    integration: Name = None,
    *,
    strict: Annotated[bool, typer.Option(help="Exit with code 9 where anything differs.")] = True,
) -> None:
    """Compare mirror and ION object by object, now."""
    found = session.integration(integration)
    session.say(f"Comparing “{found['name']}” with ION…")
    report = session.api.post(f"/integrations/{found['id']}/verify")
    session.show(report if session.as_json else {name: report[name] for name in COUNTS})
    if not session.as_json:
        _show_samples(session, report)
    if strict and any(report[name] for name in ("missing", "extra", "different")):
        raise DifferentError


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


def _show_samples(session: Session, report: Json) -> None:
    samples: list[Json] = report.get("samples") or []
    for sample in samples:
        session.say(
            f"{sample.get('kind')}: {sample.get('resource')} {sample.get('id')} {sample.get('fields') or ''}"
        )
