"""Predefined data: organization, administrator, roles, permissions, currencies and units."""

from ultraviolet.ion.catalog import Catalog
from ultraviolet.local_ion.auth import permissions
from ultraviolet.local_ion.rules.validation import VALIDATION_FUNCTIONS
from ultraviolet.local_ion.store.columns import dump_json
from ultraviolet.local_ion.store.store import ADMINISTRATOR_ID, Store
from ultraviolet.local_ion.store.transaction import Transaction

ORGANIZATION = "Ultraviolet Aerospace"
_UNITS = ("each", "kg", "m", "L", "ft", "in", "lb")
_CURRENCIES = ("USD", "EUR", "GBP")


def seed(store: Store, catalog: Catalog, *, read_permissions: bool = False) -> None:
    """Insert the predefined data into an empty store; reads need permissions if requested."""
    with store.write(ADMINISTRATOR_ID) as tx:
        if tx.scalar("SELECT count(*) FROM organizations"):
            return
        settings = {"purchaseOrders": {"defaultCurrencyId": 1, "numApproversRequired": 1}}
        tx.insert(
            "organizations",
            {
                "name": ORGANIZATION,
                "domain": "ultraviolet.example",
                "org_schema": "ultraviolet",
                "settings": dump_json(settings),
            },
        )
        add_user(tx, "Ada Admin", "admin@ultraviolet.example")
        permissions.seed(tx, catalog, for_queries=read_permissions)
        tx.insert("user_roles", {"user_id": ADMINISTRATOR_ID, "role_id": 1})
        for name in _UNITS:
            tx.insert("units_of_measurements", {"type": name})
        for name in _CURRENCIES:
            tx.insert("currencies", {"type": name})
        for name, function in VALIDATION_FUNCTIONS.items():
            row = {"function_name": name, "display_name": function.symbol}
            tx.insert("validation_functions", row)


def add_service_user(tx: Transaction, client_id: str) -> int:
    """Add the service user of an API key, with the roles of the actor and of their teams (assumed)."""
    key = add_user(tx, "Service user", f"{client_id}@ultraviolet.example", is_bot=True)
    for (role,) in tx.connection.execute(permissions.SELECT_USER_ROLES, (tx.actor_id,)).fetchall():
        tx.insert("user_roles", {"user_id": key, "role_id": role})
    return key


def add_user(tx: Transaction, name: str, email: str, *, is_bot: bool = False) -> int:
    """Add a user to the organization; ION itself only has invitations."""
    values = {
        "name": name,
        "email": email,
        "organization_id": 1,
        "deactivated": 0,
        "enforce_mfa": 0,
        "ion_bot": int(is_bot),
        "notification_emails_enabled": 1,
    }
    return tx.insert("users", values)
