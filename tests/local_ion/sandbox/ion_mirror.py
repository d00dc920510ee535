"""A mirror of a local ION in the process of the test, without a hub."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from ultraviolet.ion.model import Resource
from ultraviolet.ion.queries import OfferedSchema, normalize_document, page_query
from ultraviolet.local_ion.auth.viewers import Viewer
from ultraviolet.local_ion.graphql.executor import LocalIon

KIT_FIELDS = frozenset(
    {
        *(f"part_kit_items.{n}" for n in ("fulfilled", "quantityFulfilled", "quantityUnfulfilled")),
        *(f"parts_kits.{n}" for n in ("fulfilled", "percentFulfilled", "percentKitted")),
        *(f"parts_inventory.{n}" for n in ("status", "kitted", "quantityKitted")),
        *(f"parts_inventory.{n}" for n in ("quantityIssued", "quantityAvailable")),
    }
)
"""Fields computed from the contents of kits, which ION does not list."""
Documents = dict[str, list[dict[str, Any]]]


class IonMirror:
    """The documents of an ION, as a hub would have them; tests change `documents`."""

    def __init__(
        self, documents: Documents, stale: frozenset[tuple[str, int]] = frozenset()
    ) -> None:
        self.documents = documents
        self.stale = stale

    @cached_property
    def counts(self) -> Mapping[str, int]:
        return {name: len(found) for name, found in self.documents.items() if found}

    def objects(self, resource: Resource) -> Iterator[tuple[Mapping[str, Any], bool]]:
        for document in self.documents[resource.name]:
            yield document, (resource.name, document["id"]) not in self.stale


def read_documents(ion: LocalIon) -> Documents:
    """Return the documents of all mirrorable resources."""
    offered = OfferedSchema.whole(ion.catalog)
    documents: Documents = {}
    for resource in ion.catalog.mirrorable:
        answer = ion.execute(page_query(resource, offered), {}, None, Viewer(1))
        nodes = [edge["node"] for edge in answer["data"]["page"]["edges"]]
        documents[resource.name] = [normalize_document(resource, node) for node in nodes]
    return documents
