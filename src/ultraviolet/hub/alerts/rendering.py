"""Text of alert notifications, one message per destination for all that is due."""

from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any, Literal

import msgspec

from ultraviolet.clock import now_rfc3339, readable, utc_now
from ultraviolet.hub.alerts.store import Alert

NotificationKind = Literal["opened", "fixed", "test"]
_MAX_TITLE_CHARACTERS = 150


class Notification(msgspec.Struct, frozen=True):
    """An alert with the reason for the notification."""

    kind: NotificationKind
    alert: Alert


def make_test_notification() -> Notification:
    """Return the notification that tests a destination."""
    alert = Alert(
        id=0,
        integration_id=None,
        integration=None,
        topic="connection",
        message="This is a test of this destination; everything works",
        next_step="None",
        opened_at=now_rfc3339(),
        fixed_at=None,
    )
    return Notification("test", alert)


def render_title(notifications: Sequence[Notification]) -> str:
    """Return one line about the first problem and the number of others."""
    not_fixed = [each for each in notifications if each.kind != "fixed"]
    first = (not_fixed or notifications)[0]
    prefix = "Fixed: " if first.kind == "fixed" else ""
    title = f"{prefix}{_location(first.alert)}{first.alert.message}"
    more = f", and {len(notifications) - 1} more" if len(notifications) > 1 else ""
    return " ".join(title.split())[:_MAX_TITLE_CHARACTERS] + more


def render_lines(notifications: Sequence[Notification], public_url: str) -> list[str]:
    """Return one line per alert: the integration, the problem, the next step and a link."""
    lines: list[str] = []
    for each in notifications:
        alert, link = each.alert, _link(each.alert, public_url)
        problem = " ".join(f"{_location(alert)}{alert.message}".split())
        if each.kind == "fixed":
            lines.append(f"Fixed: {problem} (since {readable(alert.opened_at)}). {link}")
        else:
            lines.append(f"{problem}. Next: {alert.next_step}. {link}")
    return lines


def render_email(
    notifications: Sequence[Notification], public_url: str, sender: str, to: str
) -> EmailMessage:
    """Return an e-mail."""
    message = EmailMessage()
    message["Subject"] = f"[Ultraviolet] {render_title(notifications)}"
    message["From"] = sender
    message["To"] = to
    message["Date"] = format_datetime(utc_now())
    message["Message-ID"] = make_msgid(domain="ultraviolet")
    message["Auto-Submitted"] = "auto-generated"
    text = "\n\n".join(render_lines(notifications, public_url))
    message.set_content(f"{text}\n\n-- \nUltraviolet sends each alert once.\n")
    return message


def render_chat(notifications: Sequence[Notification], public_url: str) -> dict[str, Any]:
    """Return a message for incoming webhooks of Slack, Mattermost and compatible programs."""
    text = "\n".join(render_lines(notifications, public_url))
    return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}


def render_event(notification: Notification, public_url: str) -> dict[str, Any]:
    """Return the payload of a webhook, in the format of Standard Webhooks."""
    alert = notification.alert
    return {
        "type": f"alert.{notification.kind}",
        "timestamp": now_rfc3339(),
        "data": {**msgspec.to_builtins(alert), "url": _link(alert, public_url)},
    }


def _location(alert: Alert) -> str:
    return f"{alert.integration}: " if alert.integration else ""


def _link(alert: Alert, public_url: str) -> str:
    if alert.integration_id is None:
        return public_url
    return f"{public_url}/integrations/{alert.integration_id}"
