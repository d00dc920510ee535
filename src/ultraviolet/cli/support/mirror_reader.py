"""Reads the objects of an integration from a hub, for a local ION."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from ultraviolet.cli.support.api import Json, to

if TYPE_CHECKING:
    from ultraviolet.cli.support.session import Session
    from ultraviolet.ion.model import Resource

MAX_OBJECTS = 1 << 40
MAX_RESOURCES = 1000
PROGRESS_OBJECTS = 5_000
"""Number of objects between two lines of progress."""


class MirrorReader:
    """The objects of one integration, read a page at a time."""

    def __init__(self, session: "Session", integration: Json) -> None:
        self._session = session
        self.integration = integration
        self._counts: dict[str, int] | None = None
        self.read = 0
        self.unconfirmed = 0
        """Number of objects that were not fresh: the hub has not confirmed their content yet."""

    @property
    def counts(self) -> Mapping[str, int]:
        """The numbers of objects by resource."""
        if self._counts is None:
            found = self._session.api.items(
                "/objects", MAX_RESOURCES, integration=self.integration["id"]
            )
            self._counts = {one["resource"]: one["objects"] for one in found if one["objects"]}
        return self._counts

    def objects(self, resource: "Resource") -> Iterator[tuple[Mapping[str, Any], bool]]:
        """Return the documents of a resource and whether they are fresh; print the progress."""
        path = to("/objects/{}", resource.name)
        integration = self.integration["id"]
        for found in self._session.api.items(path, MAX_OBJECTS, integration=integration):
            self.read += 1
            fresh = found["state"] == "fresh"
            self.unconfirmed += not fresh
            if self.read % PROGRESS_OBJECTS == 0:
                total, end = sum(self.counts.values()), "\r" if sys.stderr.isatty() else "\n"
                typer.echo(f"{self.read:,} of {total:,} objects read{end}", err=True, nl=False)
            yield found["fields"], fresh

    def ion_types(self) -> Mapping[str, Sequence[str]] | None:
        """Return the members of the types of ION's schema; None if the hub has not read it."""
        found = self._session.api.get(to("/integrations/{}/ion-schema", self.integration["id"]))
        return found["types"] if found["read"] else None
