"""A notice on pages of mirrored data: why changes in ION may be missing or not confirmed."""

import msgspec
from sqlalchemy import Connection

from ultraviolet.hub.core import finding_store
from ultraviolet.hub.health.controller_status import problem_of
from ultraviolet.hub.ingest import webhook_urls

_PARTIAL = ("missing", "inactive")
"""Subjects of findings about some subscriptions; the other changes still arrive."""


class DataNotice(msgspec.Struct, frozen=True):
    """A problem, and its effect on the shown data."""

    problem: str
    effect: str


def find_data_notice(connection: Connection, integration_id: int) -> DataNotice | None:
    """Return the notice if ION cannot be read, or if deliveries cannot arrive."""
    stored = finding_store.list_open(connection, integration_id)
    stopped = next((one for one in stored if one.stops_deliveries), None)
    if problem := problem_of(connection, integration_id):
        urls = webhook_urls.list_active(connection, integration_id)
        effect = "Changes in ION since then are not shown here."
        if stopped is None and any(url.subscribed_at for url in urls):
            effect = (
                "Changes still arrive by webhooks, but the hub cannot read them completely or"
                " confirm them until this problem is solved."
            )
        return DataNotice(problem, effect)
    if stopped is None:
        return None
    changes = "Changes without a subscription" if stopped.subject in _PARTIAL else "Changes in ION"
    problem = f"{stopped.message.rstrip('.')}."
    return DataNotice(problem, f"{changes} arrive only with the next sync.")
