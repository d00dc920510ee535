"""Subscriptions as a desired state: the desired and the actual ones, and their difference."""

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
"""Pairs of a catalog resource and an action."""


class SubscriptionState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A resource of the catalog, an action, and the id of ION's subscription if it exists."""

    resource: str
    action: str
    id: str | None = None


class Difference(msgspec.Struct, frozen=True):
    """The difference between the desired and the actual subscriptions."""

    present: tuple[SubscriptionState, ...]
    missing: tuple[SubscriptionState, ...]
    inactive: tuple[SubscriptionState, ...]
    extra: tuple[SubscriptionState, ...]


def names(catalog: Catalog, offered: OfferedSchema) -> dict[str, str]:
    """Return the value of this ION's ResourceEnum for each resource that affects the mirror.

    ION's environments differ in `RUN` and `RUNS`; the contract's own name wins if both exist.
    """
    found: dict[str, str] = {}
    for value in sorted(offered.types.get("ResourceEnum", ())):
        resource = catalog.resolve(value)
        if (
            resource
            and _affects_mirror(catalog, resource)
            and (resource.name not in found or value == resource.name.upper())
        ):
            found[resource.name] = value
    return found


def supported(catalog: Catalog, offered: OfferedSchema) -> Wanted:
    """Return all supported subscriptions that affect the mirror."""
    return [(resource, action) for resource in names(catalog, offered) for action in ACTIONS]


def checked(catalog: Catalog, offered: OfferedSchema, wanted: Sequence[Sequence[str]]) -> Wanted:
    """Return a selection under the catalog's names; raise InvalidError for unsupported pairs."""
    known = names(catalog, offered)
    pairs: Wanted = []
    for pair in wanted:
        resource = catalog.resolve(pair[0]) if len(pair) == 2 else None  # noqa: PLR2004
        if resource is None or resource.name not in known or pair[1].upper() not in ACTIONS:
            raise InvalidError(
                f"“{' '.join(pair)}” is not a resource and an action that ION sends events for"
            )
        pairs.append((resource.name, pair[1].upper()))
    return sorted(set(pairs))


def to_ion_names(
    catalog: Catalog, offered: OfferedSchema, wanted: Sequence[tuple[str, str]]
) -> list[Pair]:
    """Translate resources into this ION's ResourceEnum; omit those that it does not offer."""
    known = names(catalog, offered)
    return [(known[resource], action) for resource, action in wanted if resource in known]


def difference(
    catalog: Catalog, wanted: Sequence[tuple[str, str]], receiver: Receiver | None
) -> Difference:
    """Return the difference; of several subscriptions to a pair, all but one are extra."""
    actual: dict[tuple[str, str], Subscription] = {}
    extra: list[SubscriptionState] = []
    for each in sorted(
        receiver.subscriptions if receiver else (), key=lambda s: (not s.active, len(s.id), s.id)
    ):
        resource = catalog.resolve(each.resource)
        pair = (resource.name if resource else each.resource.lower(), each.action)
        if pair in actual or pair not in wanted:
            extra.append(SubscriptionState(*pair, each.id))
        else:
            actual[pair] = each
    return Difference(
        present=tuple(SubscriptionState(*pair, s.id) for pair, s in actual.items() if s.active),
        missing=tuple(SubscriptionState(*pair) for pair in wanted if pair not in actual),
        inactive=tuple(
            SubscriptionState(*pair, s.id) for pair, s in actual.items() if not s.active
        ),
        extra=tuple(extra),
    )


def _affects_mirror(catalog: Catalog, resource: Resource) -> bool:
    """Return whether changes of a resource can change the mirror.

    They can if the mirror contains it, values that ION computes from it, or objects its keys name.
    """
    if catalog.follows(resource.name):
        return True
    if resource in catalog.mirrorable:
        return bool(catalog.dependents(resource.name))
    named = {
        link.resource for link in resource.links if link.field not in ("createdBy", "updatedBy")
    }
    return resource.has_entity or any(map(catalog.follows, named | {resource.owner or ""}))
