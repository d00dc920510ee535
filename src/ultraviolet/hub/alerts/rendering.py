"""What people read: one message for all that is to be told to a destination at a time."""

from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any, Literal

import msgspec

from ultraviolet.clock import now_rfc3339, utc_now
from ultraviolet.hub.alerts.store import Alert

NotificationKind = Literal["opened", "fixed", "test"]


class Notification(msgspec.Struct, frozen=True):
    """One alert, as told now."""

    what: NotificationKind
    alert: Alert


def make_test_notification() -> Notification:
    """Make what a test sends."""
    moment = now_rfc3339()
    alert = Alert(
        0,
        None,
        None,
        "connection",
        "This is a test; nothing is the matter",
        "Nothing",
        moment,
        None,
    )
    return Notification("test", alert)


def render_title(told: Sequence[Notification]) -> str:
    """Say in one line what it is about."""
    opened = [one for one in told if one.what != "fixed"]
    first = (opened or told)[0]
    more = f", and {len(told) - 1} more" if len(told) > 1 else ""
    says = (
        f"{'Fixed: ' if first.what == 'fixed' else ''}{_where(first.alert)}{first.alert.sentence}"
    )
    return " ".join(says.split())[:150] + more


def render_lines(told: Sequence[Notification], public_url: str) -> list[str]:
    """Say what is the matter or over, where, and what to do; one line an alert."""
    return [_line(one, public_url) for one in told]


def render_email(
    told: Sequence[Notification], public_url: str, sender: str, to: str
) -> EmailMessage:
    """Write a message for people."""
    message = EmailMessage()
    message["Subject"] = f"[Ultraviolet] {render_title(told)}"
    message["From"] = sender
    message["To"] = to
    message["Date"] = format_datetime(utc_now())
    message["Message-ID"] = make_msgid(domain="ultraviolet")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        "\n\n".join(render_lines(told, public_url))
        + "\n\n-- \nUltraviolet says each of these once.\n"
    )
    return message


def render_chat(told: Sequence[Notification], public_url: str) -> dict[str, Any]:
    """Write a message for a webhook of the kind that Slack, Mattermost and others take."""
    said = "\n".join(render_lines(told, public_url))
    return {"text": said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}


def render_event(told: Notification, public_url: str) -> dict[str, Any]:
    """Write what a program gets, as Standard Webhooks has it."""
    alert = msgspec.to_builtins(told.alert)
    return {
        "type": f"alert.{told.what}",
        "timestamp": now_rfc3339(),
        "data": {**alert, "url": _address(told.alert, public_url)},
    }


def _line(told: Notification, public_url: str) -> str:
    alert = told.alert
    says = " ".join(f"{_where(alert)}{alert.sentence}".split())
    if told.what == "fixed":
        return f"Fixed: {says} (since {alert.opened_at[:19]}Z). {_address(alert, public_url)}"
    return f"{says}. Next: {alert.next_step}. {_address(alert, public_url)}"


def _where(alert: Alert) -> str:
    return f"{alert.integration}: " if alert.integration else ""


def _address(alert: Alert, public_url: str) -> str:
    return (
        f"{public_url}/integrations/{alert.integration_id}" if alert.integration_id else public_url
    )
