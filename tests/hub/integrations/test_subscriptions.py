"""Wanted and actual subscriptions: missing, inactive, duplicate and extra ones."""

import pytest

from ultraviolet.errors import InvalidError
from ultraviolet.hub.integrations import subscriptions
from ultraviolet.ion import catalog
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.ion.webhooks import Receiver, Subscription

CATALOG = catalog.load_catalog()
WHOLE = OfferedSchema.whole(CATALOG)


def offering(*values: str) -> OfferedSchema:
    return OfferedSchema({"ResourceEnum": frozenset(values)})


def receiver(*rows: tuple[str, str, str, bool]) -> Receiver:
    there = tuple(
        Subscription(each_id, resource, action, active, "e")
        for each_id, resource, action, active in rows
    )
    return Receiver("1", "Ultraviolet", "https://hub.example/hooks/x", "s", True, 200, "e", there)


def test_all_tables_that_affect_the_mirror_are_supported() -> None:
    pairs = subscriptions.supported(CATALOG, WHOLE)
    resources = {resource for resource, _ in pairs}
    assert len(pairs) == 3 * len(resources)
    mirrored = {each.name for each in CATALOG.mirrored if each.subscribable}
    assert mirrored <= resources
    assert {"purchase_orders_attributes", "file_attachments"} <= resources
    assert not {"api_keys", "organizations"} & resources


def test_resource_names_of_another_ion_are_used() -> None:
    offered = offering("RUN", "PURCHASE_ORDER", "UNHEARD_OF")
    assert subscriptions.names(CATALOG, offered) == {
        "runs": "RUN",
        "purchase_orders": "PURCHASE_ORDER",
    }
    assert subscriptions.names(CATALOG, offering("RUN", "RUNS")) == {"runs": "RUNS"}
    wanted = [("runs", "UPDATE"), ("parts", "UPDATE")]
    assert subscriptions.to_ion_names(CATALOG, offered, wanted) == [("RUN", "UPDATE")]
    found = subscriptions.difference(
        CATALOG, [("runs", "UPDATE")], receiver(("1", "RUN", "UPDATE", True))
    )
    assert (found.missing, len(found.present)) == ((), 1)


def test_difference_covers_present_inactive_missing_and_extra() -> None:
    wanted = [("runs", "CREATE"), ("runs", "UPDATE"), ("runs", "DELETE")]
    there = receiver(
        ("1", "RUNS", "CREATE", False),
        ("2", "RUNS", "CREATE", True),
        ("3", "RUNS", "UPDATE", False),
        ("4", "PARTS", "UPDATE", True),
        ("5", "UNHEARD_OF", "UPDATE", True),
    )
    found = subscriptions.difference(CATALOG, wanted, there)
    assert [each.id for each in found.present] == ["2"]
    assert [each.id for each in found.inactive] == ["3"]
    assert [(each.resource, each.action) for each in found.missing] == [("runs", "DELETE")]
    assert {"1", "4", "5"} == {each.id for each in found.extra}
    nothing = subscriptions.difference(CATALOG, wanted, None)
    assert (len(nothing.missing), nothing.present, nothing.extra) == (3, (), ())


def test_selection_is_normalized_and_invalid_pairs_are_refused() -> None:
    chosen = [["Run", "update"], ["PURCHASE_ORDERS", "CREATE"], ["runs", "UPDATE"]]
    assert subscriptions.checked(CATALOG, WHOLE, chosen) == [
        ("purchase_orders", "CREATE"),
        ("runs", "UPDATE"),
    ]
    for wrong in (["runs", "EXPLODE"], ["warp_drives", "UPDATE"], ["runs"], ["api_keys", "UPDATE"]):
        with pytest.raises(InvalidError, match=wrong[0]):
            subscriptions.checked(CATALOG, WHOLE, [wrong])
