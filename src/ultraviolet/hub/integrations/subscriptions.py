"""Subscriptions as a desired state: what is wanted, what is there, and the difference."""

from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from ultraviolet.errors import InvalidError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.ion.webhooks import Pair, Receiver, Subscription

Action = Literal["CREATE", "UPDATE", "DELETE"]
ACTIONS: tuple[Action, ...] = get_args(Action)
Wanted = list[tuple[str, str]]
"""Pairs of a resource of the catalog and an action."""


class SubscriptionState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pair, under the names of the catalog, and ION's subscription to it where there is one."""

    resource: str
    action: str
    id: str | None = None


class Difference(msgspec.Struct, frozen=True):
    """Wanted against there."""

    present: tuple[SubscriptionState, ...]
    missing: tuple[SubscriptionState, ...]
    inactive: tuple[SubscriptionState, ...]
    extra: tuple[SubscriptionState, ...]


def names(catalog: Catalog, offered: OfferedSchema) -> dict[str, str]:
    """Return the value of this ION's ResourceEnum for each resource that is worth a subscription.

    ION's environments differ in `RUN` and `RUNS`; the contract's own name is preferred where both are there.
    """
    found: dict[str, str] = {}
    for value in sorted(offered.types.get("ResourceEnum", ())):
        resource = catalog.resolve(value)
        if (
            resource
            and _matters(catalog, resource)
            and (resource.name not in found or value == resource.name.upper())
        ):
            found[resource.name] = value
    return found


def supported(catalog: Catalog, offered: OfferedSchema) -> Wanted:
    """Return every pair that can be subscribed and tells the mirror something."""
    return [(resource, action) for resource in names(catalog, offered) for action in ACTIONS]


def checked(catalog: Catalog, offered: OfferedSchema, wanted: Sequence[Sequence[str]]) -> Wanted:
    """Bring a chosen subset under the catalog's names, or say what is not to be had."""
    known = names(catalog, offered)
    pairs: Wanted = []
    for pair in wanted:
        resource = catalog.resolve(pair[0]) if len(pair) == 2 else None  # noqa: PLR2004
        if resource is None or resource.name not in known or pair[1].upper() not in ACTIONS:
            raise InvalidError(
                f"{' '.join(pair)} is not a resource and an action this ION announces"
            )
        pairs.append((resource.name, pair[1].upper()))
    return sorted(set(pairs))


def in_ions_words(
    catalog: Catalog, offered: OfferedSchema, wanted: Sequence[tuple[str, str]]
) -> list[Pair]:
    """Translate pairs into this ION's ResourceEnum; what it does not offer is left out."""
    known = names(catalog, offered)
    return [(known[resource], action) for resource, action in wanted if resource in known]


def difference(
    catalog: Catalog, wanted: Sequence[tuple[str, str]], receiver: Receiver | None
) -> Difference:
    """Compare; a second subscription to the same pair is extra, an active one counts before an inactive one."""
    there: dict[tuple[str, str], Subscription] = {}
    extra: list[SubscriptionState] = []
    for each in sorted(
        receiver.subscriptions if receiver else (), key=lambda s: (not s.active, len(s.id), s.id)
    ):
        pair = (_name(catalog, each.resource), each.action)
        if pair in there or pair not in wanted:
            extra.append(SubscriptionState(*pair, each.id))
        else:
            there[pair] = each
    return Difference(
        present=tuple(SubscriptionState(*pair, s.id) for pair, s in there.items() if s.active),
        missing=tuple(SubscriptionState(*pair) for pair in wanted if pair not in there),
        inactive=tuple(SubscriptionState(*pair, s.id) for pair, s in there.items() if not s.active),
        extra=tuple(extra),
    )


def _name(catalog: Catalog, value: str) -> str:
    resource = catalog.resolve(value)
    return resource.name if resource else value.lower()


def _matters(catalog: Catalog, resource: Resource) -> bool:
    """Return whether its changes can change the mirror: by itself, by values ION computes from it, or by the objects its keys name."""
    if catalog.follows(resource.name):
        return True
    if resource in catalog.mirrorable:
        return bool(catalog.dependents(resource.name))
    named = {
        link.resource for link in resource.links if link.field not in ("createdBy", "updatedBy")
    }
    return resource.has_entity or any(map(catalog.follows, named | {resource.owner or ""}))
