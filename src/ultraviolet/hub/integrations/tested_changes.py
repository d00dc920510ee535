"""Credentials are tested before they are saved, and again before work with rejected ones starts."""

from sqlalchemy import Connection

from ultraviolet.errors import ConflictError, InvalidError
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.connection_test import TestResult
from ultraviolet.hub.integrations.connections import Connections
from ultraviolet.hub.integrations.models import (
    Credentials,
    Integration,
    IntegrationChanges,
    NewIntegration,
)
from ultraviolet.hub.sync.ion_access import Client
from ultraviolet.ion.client import ALIVE_QUERY, PROMPT_RETRIES
from ultraviolet.ion.errors import IonError, IonUnauthorizedError
from ultraviolet.ion.queries import OfferedSchema

_FIELDS = {"unreachable": "api_url", "credentials": "client_secret", "permission": "client_id"}
"""The field of a failed test by its kind, if the error does not show which setting is wrong."""
_STEPS = {
    "unreachable": "Check this address and the network. Nothing was saved.",
    "credentials": "Check the client ID and secret, or create a new API key in ION."
    " Nothing was saved.",
}
"""The next step in a form, by the kind of the problem."""


async def create_tested(connections: Connections, actor: str, new: NewIntegration) -> Integration:
    """Add an integration if ION accepts it; raise InvalidError with the field to correct."""
    checked = integrations.check_new(new)
    credentials = Credentials(
        checked.api_url, checked.auth_url, checked.client_id, checked.client_secret
    )
    result, offered = await _test(connections, credentials)

    def write(connection: Connection) -> Integration:
        created = integrations.create(connection, connections.secrets, actor, checked)
        return _save(connection, connections, created.id, result, offered)

    return await connections.database.write(write)


async def edit_tested(
    connections: Connections, actor: str, integration_id: int, changes: IntegrationChanges
) -> Integration:
    """Change the connection of an integration if ION accepts it; raise InvalidError."""
    credentials = await connections.database.read(
        integrations.changed_credentials, connections.secrets, integration_id, changes
    )
    result, offered = await _test(connections, credentials)

    def write(connection: Connection) -> Integration:
        integrations.edit(connection, connections.secrets, actor, integration_id, changes)
        return _save(connection, connections, integration_id, result, offered)

    return await connections.database.write(write)


async def check_credentials(connections: Connections, integration_id: int) -> None:
    """Test rejected credentials again; raise ConflictError if ION still rejects them."""
    found = await connections.database.read(integrations.get, integration_id)
    if found.paused or not (found.test_result and found.test_result.rejected):
        return
    if (await connections.test(integration_id)).rejected:
        raise ConflictError(
            f"ION rejects the credentials of “{found.name}”. Nothing was started; fix them first."
        )


async def check_before_fetch(client: Client, integration: Integration) -> bool:
    """Raise IonUnauthorizedError if ION rejects credentials that have not passed a test.

    Return whether the credentials are known to be accepted; the fetch records other errors.
    """
    if integration.test_result and not integration.test_result.rejected:
        return True
    try:
        await client.execute(ALIVE_QUERY, retries=PROMPT_RETRIES)
    except IonUnauthorizedError:
        raise
    except IonError:
        return False
    return True


async def _test(
    connections: Connections, credentials: Credentials
) -> tuple[TestResult, OfferedSchema | None]:
    result, offered = await connections.test_credentials(credentials)
    problem = next((one for one in result.findings if one.severity == "error"), None)
    if problem:
        field = problem.subject or _FIELDS.get(problem.kind, "")
        step = _STEPS.get(problem.kind, problem.next_step)
        raise InvalidError(f"{problem.message}. {step}", field=field)
    return result, offered


def _save(
    connection: Connection,
    connections: Connections,
    integration_id: int,
    result: TestResult,
    offered: OfferedSchema | None,
) -> Integration:
    integrations.save_test_result(connection, connections.catalog, integration_id, result, offered)
    return integrations.get(connection, integration_id)
