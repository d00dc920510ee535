"""What an ION has from its first day: the organization, its administrator, roles and permissions, currencies, units."""

from ultraviolet.ion.catalog import Catalog
from ultraviolet.local_ion.auth import permissions
from ultraviolet.local_ion.rules.values import FUNCTIONS
from ultraviolet.local_ion.store.store import Store, Transaction, dump

ORGANIZATION = "Ultraviolet Aerospace"
ADMINISTRATOR = 1
_UNITS = ("each", "kg", "m", "L", "ft", "in", "lb")
_CURRENCIES = ("USD", "EUR", "GBP")


def seed(store: Store, catalog: Catalog) -> None:
    """Fill an empty database; one that is not empty stays as it is."""
    with store.writing(ADMINISTRATOR) as tx:
        if tx.scalar("SELECT count(*) FROM organizations"):
            return
        _people(tx, catalog)
        for name in _UNITS:
            tx.insert("units_of_measurements", {"type": name})
        for name in _CURRENCIES:
            tx.insert("currencies", {"type": name})
        for name, (shown, _) in FUNCTIONS.items():
            tx.insert("validation_functions", {"function_name": name, "display_name": shown})


def _people(tx: Transaction, catalog: Catalog) -> None:
    settings = {"purchaseOrders": {"defaultCurrencyId": 1, "numApproversRequired": 1}}
    tx.insert(
        "organizations",
        {
            "name": ORGANIZATION,
            "domain": "ultraviolet.example",
            "org_schema": "ultraviolet",
            "settings": dump(settings),
        },
    )
    add_user(tx, "Ada Admin", "admin@ultraviolet.example")
    permissions.seed(tx, catalog)
    tx.insert("user_roles", {"user_id": ADMINISTRATOR, "role_id": 1})


def add_user(tx: Transaction, name: str, email: str) -> int:
    """Add a person to the organization; ION itself knows only invitations."""
    values = {
        "name": name,
        "email": email,
        "organization_id": 1,
        "deactivated": 0,
        "enforce_mfa": 0,
        "ion_bot": 0,
        "notification_emails_enabled": 1,
    }
    return tx.insert("users", values)
