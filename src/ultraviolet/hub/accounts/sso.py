"""People who come from a single sign-on provider: who they are here, and what they may do.

They are known by issuer and subject, which never change hands, and never by an e-mail address alone. Somebody who was
here before is tied to the provider only where an administrator named the address they will come with.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from ultraviolet import clock
from ultraviolet.db.tables.accounts import sessions, users
from ultraviolet.errors import InvalidError
from ultraviolet.hub.accounts import sessions as accounts_sessions
from ultraviolet.hub.accounts import users as accounts_users
from ultraviolet.hub.accounts.oidc import ProviderIdentity
from ultraviolet.hub.accounts.sessions import ClientInfo
from ultraviolet.hub.accounts.users import ROLES, Role, User
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.validation import check_characters

_PROVIDER = "provider"


class RoleRules(msgspec.Struct, frozen=True):
    """Who is let in, and as what."""

    roles: Sequence[tuple[str, Role]] = ()
    """Groups with their roles; where there are any, the provider decides about roles."""
    default_role: Role | None = None
    domains: Sequence[str] = ()

    def role_of(self, groups: Sequence[str]) -> Role | None:
        """Return the highest role of these groups, else the usual one; None where they are let in as nothing."""
        given: list[Role] = [role for group, role in self.roles if group in groups]
        return max(given, key=ROLES.index) if given else self.default_role


class ProviderSignIn(msgspec.Struct, frozen=True):
    """What came of a sign-in: a session token, or why not."""

    session: str | None
    refused: str = ""


def sign_in_from_provider(
    connection: Connection, rules: RoleRules, identity: ProviderIdentity, place: ClientInfo
) -> ProviderSignIn:
    """Let somebody in whom the provider knows; what it took away from them ends here too."""
    if rules.domains and identity.email.rpartition("@")[2] not in rules.domains:
        return ProviderSignIn(None, f"{identity.email} is of a domain that is not let in here.")
    role = rules.role_of(identity.groups)
    user = _known(connection, identity) or _awaited(connection, identity)
    if user is None:
        return _first_time(connection, identity, role, place)
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
            return ProviderSignIn(None, _no_role(identity))
        _take_role(connection, user, role)
    return ProviderSignIn(accounts_sessions.create_session(connection, user.id, "provider", place))


def set_provider_email(connection: Connection, actor: str, user_id: int, email: str | None) -> User:
    """Say with which verified address this person will come from the provider, or (None) that they do not any more.

    What tied them to the provider before is undone, and their sessions from there end.
    """
    wanted = email.strip().casefold() if email else None
    if wanted is not None and "@" not in wanted:
        raise InvalidError(f"{email} is no e-mail address")
    name = accounts_users.get_user(connection, user_id).name
    changed = update(users).where(users.c.id == user_id)
    connection.execute(changed.values(provider_email=wanted, issuer=None, subject=None))
    connection.execute(
        delete(sessions).where(sessions.c.user_id == user_id, sessions.c.way == "provider")
    )
    audit.record(connection, actor, "user.await_from_provider", name, {"email": wanted})
    return accounts_users.get_user(connection, user_id)


def _known(connection: Connection, identity: ProviderIdentity) -> User | None:
    query = select(users.c.id).where(
        users.c.issuer == identity.issuer, users.c.subject == identity.subject
    )
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else accounts_users.get_user(connection, found)


def _awaited(connection: Connection, identity: ProviderIdentity) -> User | None:
    """Tie whom an administrator said will come with this address."""
    query = select(users.c.id).where(
        users.c.provider_email == identity.email, users.c.subject.is_(None)
    )
    found = connection.execute(query.order_by(users.c.id).limit(1)).scalar_one_or_none()
    if found is None:
        return None
    tied = {"issuer": identity.issuer, "subject": identity.subject, "provider_email": None}
    connection.execute(update(users).where(users.c.id == found).values(**tied))
    user = accounts_users.get_user(connection, found)
    audit.record(connection, _PROVIDER, "user.tie", user.name, {"email": identity.email})
    return user


def _first_time(
    connection: Connection, identity: ProviderIdentity, role: Role | None, place: ClientInfo
) -> ProviderSignIn:
    if role is None:
        return ProviderSignIn(None, _no_role(identity))
    check_characters(identity.email)
    if connection.execute(select(users.c.id).where(users.c.name == identity.email)).first():
        return ProviderSignIn(
            None,
            f"There is already somebody named {identity.email} here. An administrator can say on the page of their"
            " sessions that they will come from the provider.",
        )
    values = {"name": identity.email, "role": role, "created_at": clock.now_rfc3339()}
    values |= {"issuer": identity.issuer, "subject": identity.subject}
    made = connection.execute(insert(users).values(**values).returning(users.c.id)).scalar_one()
    audit.record(connection, _PROVIDER, "user.create", identity.email, {"role": role})
    return ProviderSignIn(accounts_sessions.create_session(connection, made, "provider", place))


def _take_role(connection: Connection, user: User, role: Role) -> None:
    if user.role != role:
        connection.execute(update(users).where(users.c.id == user.id).values(role=role))
        audit.record(
            connection, _PROVIDER, "user.set_role", user.name, {"from": user.role, "to": role}
        )


def _no_role(identity: ProviderIdentity) -> str:
    return f"{identity.email} is in no group that is let in here; ask an administrator of the provider."
