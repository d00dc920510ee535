"""Single sign-on: link accounts of the provider to users, and derive their roles.

Issuer and subject identify an account, because they are never reassigned; an e-mail address alone
does not. An existing user is linked only if an administrator has entered its provider address.
"""

from collections.abc import Callable, Sequence

import aiohttp
import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from ultraviolet import clock
from ultraviolet.db.tables.accounts import sessions, users
from ultraviolet.errors import InvalidError
from ultraviolet.hub.accounts.oidc import OidcClient, Provider, ProviderIdentity
from ultraviolet.hub.accounts.sessions import ClientInfo, create_session
from ultraviolet.hub.accounts.users import ROLES, Role, User, get_user
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.core.validation import check_characters

_PROVIDER = "provider"


class RoleRules(msgspec.Struct, frozen=True):
    """The rules for access and roles of provider accounts."""

    roles: Sequence[tuple[str, Role]] = ()
    """Groups with their roles; if not empty, each sign-in updates the role."""
    default_role: Role | None = None
    domains: Sequence[str] = ()

    def role_of(self, groups: Sequence[str]) -> Role | None:
        """Return the highest role of these groups, or the default role; None means no access."""
        granted: list[Role] = [role for group, role in self.roles if group in groups]
        return max(granted, key=ROLES.index) if granted else self.default_role


def create_provider(
    settings: Settings, session: Callable[[], aiohttp.ClientSession], check: Callable[[str], None]
) -> tuple[Provider | None, RoleRules]:
    """Return the configured provider, if any, and its rules; `check` is the egress policy."""
    if not settings.oidc_issuer:
        return None, RoleRules()
    client = OidcClient(
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_client_secret,
        settings.oidc_roles_claim,
    )
    rules = {
        "roles": settings.oidc_roles,
        "default_role": settings.oidc_default_role or None,
        "domains": settings.oidc_domains,
    }
    return Provider(client, session, check), msgspec.convert(rules, RoleRules)


class ProviderSignIn(msgspec.Struct, frozen=True):
    """The result of a sign-in: a session token, or the reason of the refusal."""

    session: str | None
    refused: str = ""


def sign_in_from_provider(
    connection: Connection, rules: RoleRules, identity: ProviderIdentity, client: ClientInfo
) -> ProviderSignIn:
    """Sign in an account of the provider; end its sessions here if it has lost its groups."""
    if rules.domains and identity.email.rpartition("@")[2] not in rules.domains:
        return ProviderSignIn(None, f"{identity.email} is not in an allowed domain.")
    role = rules.role_of(identity.groups)
    linked = select(users.c.id).where(
        users.c.issuer == identity.issuer, users.c.subject == identity.subject
    )
    user_id = connection.execute(linked).scalar_one_or_none()
    user = (
        _link_expected(connection, identity) if user_id is None else get_user(connection, user_id)
    )
    if user is None:
        return _create_and_sign_in(connection, identity, role, client)
    if rules.roles:
        if role is None:
            connection.execute(delete(sessions).where(sessions.c.user_id == user.id))
            audit.record(
                connection,
                _PROVIDER,
                "session.refuse",
                user.name,
                {"groups": list(identity.groups)},
            )
            return ProviderSignIn(None, _no_access_message(identity))
        if user.role != role:
            connection.execute(update(users).where(users.c.id == user.id).values(role=role))
            change = {"from": user.role, "to": role}
            audit.record(connection, _PROVIDER, "user.set_role", user.name, change)
    return ProviderSignIn(create_session(connection, user.id, "provider", client))


def set_provider_email(connection: Connection, actor: str, user_id: int, email: str | None) -> User:
    """Set the verified address that links a provider account to this user; None removes the link.

    Remove an existing link, and end the sessions it created.
    """
    address = email.strip().casefold() if email else None
    if address is not None and "@" not in address:
        raise InvalidError(f"{email} is not an e-mail address", field="email")
    name = get_user(connection, user_id).name
    statement = update(users).where(users.c.id == user_id)
    connection.execute(statement.values(provider_email=address, issuer=None, subject=None))
    connection.execute(
        delete(sessions).where(sessions.c.user_id == user_id, sessions.c.way == "provider")
    )
    audit.record(connection, actor, "user.await_from_provider", name, {"email": address})
    return get_user(connection, user_id)


def _link_expected(connection: Connection, identity: ProviderIdentity) -> User | None:
    """Link and return the user with this expected address."""
    query = select(users.c.id).where(
        users.c.provider_email == identity.email, users.c.subject.is_(None)
    )
    user_id = connection.execute(query.order_by(users.c.id).limit(1)).scalar_one_or_none()
    if user_id is None:
        return None
    link = {"issuer": identity.issuer, "subject": identity.subject, "provider_email": None}
    connection.execute(update(users).where(users.c.id == user_id).values(**link))
    user = get_user(connection, user_id)
    audit.record(connection, _PROVIDER, "user.tie", user.name, {"email": identity.email})
    return user


def _create_and_sign_in(
    connection: Connection, identity: ProviderIdentity, role: Role | None, client: ClientInfo
) -> ProviderSignIn:
    if role is None:
        return ProviderSignIn(None, _no_access_message(identity))
    check_characters(identity.email)
    if connection.execute(select(users.c.id).where(users.c.name == identity.email)).first():
        return ProviderSignIn(
            None,
            f"There is already a user named {identity.email}. An administrator can link this user"
            " to the provider on the page of their sessions.",
        )
    values = {"name": identity.email, "role": role, "created_at": clock.now_rfc3339()}
    values |= {"issuer": identity.issuer, "subject": identity.subject}
    user_id = connection.execute(insert(users).values(**values).returning(users.c.id)).scalar_one()
    audit.record(connection, _PROVIDER, "user.create", identity.email, {"role": role})
    return ProviderSignIn(create_session(connection, user_id, "provider", client))


def _no_access_message(identity: ProviderIdentity) -> str:
    return (
        f"{identity.email} is not in any group with access to this hub;"
        " ask an administrator of the provider."
    )
