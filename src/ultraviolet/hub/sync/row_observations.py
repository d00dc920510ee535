"""Turn the rows of ION's answers into observations, and log texts that ION sent broken."""

from collections.abc import Sequence

import msgspec
import structlog

from ultraviolet.clock import now_rfc3339, valid_time
from ultraviolet.hub.sync.answer_lists import Row
from ultraviolet.ion import queries
from ultraviolet.ion.model import Resource
from ultraviolet.mirror.observation import Observation, Origin

_MAX_REPORTED = 10_000
"""Fields with replaced text that a process remembers, to log each once."""

log = structlog.get_logger()


class RowObserver:
    """Turns rows into observations; remembers which replaced texts it logged."""

    def __init__(self) -> None:
        self._reported: set[tuple[str, str, str]] = set()

    def observe(
        self,
        resource: Resource,
        rows: Sequence[Row],
        began: str,
        origin: Origin,
        *,
        repaired: bool,
    ) -> tuple[list[Observation], dict[str, str]]:
        """Return observations of readable rows, and why others are unreadable; skip nameless rows.

        `began` is when the request started. `repaired` says that invalid Unicode was replaced;
        each such field is logged once.
        """
        observed, form = now_rfc3339(), queries.form_of(resource)
        found: list[Observation] = []
        unreadable: dict[str, str] = {}
        for row in rows:
            if row.id is None:
                continue
            try:
                doc = queries.normalize_document(resource, row.node, form)
            except queries.UnreadableValueError as error:
                unreadable[row.id] = str(error)
                continue
            for name, value in doc.items() if repaired else ():
                place = (resource.name, row.id, name)
                if place in self._reported or len(self._reported) >= _MAX_REPORTED:
                    continue
                told = value if isinstance(value, str) else msgspec.json.encode(value).decode()
                if "\ufffd" in told:
                    self._reported.add(place)
                    log.warning("ion.text_replaced", resource=resource.name, id=row.id, field=name)
            found.append(
                Observation(
                    resource.name,
                    row.id,
                    "full",
                    doc,
                    observed_at=observed,
                    origin=origin,
                    source_time=valid_time(doc.get("_updated")),
                    read_started_at=began,
                )
            )
        return found, unreadable
