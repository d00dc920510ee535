"""Which object names the currency of the amounts of a resource."""

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import field_label
from ultraviolet.ion.model import Link, Resource

CURRENCY_KEY = "currencyId"


def currency_link(catalog: Catalog, resource: Resource) -> Link | None:
    """Return the link to the currency of a resource's amounts, or to the object that has it.

    The amounts of an order's lines are in the currency of the order. None without amounts or
    currency.
    """
    if not any(field_label(field.name).format == "money" for field in resource.fields):
        return None
    own = _currency_of(resource)
    orders = (link for link in resource.links if _currency_of(catalog.resources[link.resource]))
    return own or next(orders, None)


def _currency_of(resource: Resource) -> Link | None:
    return next((link for link in resource.links if link.key == CURRENCY_KEY), None)
