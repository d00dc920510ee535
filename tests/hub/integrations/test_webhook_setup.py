"""Setup against a real local ION: manual, automatic, repeated, repaired, rotated."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import Connection, select

from ultraviolet.db.database import Database
from ultraviolet.db.tables.metadata import metadata
from ultraviolet.errors import InvalidError
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.service import IngestService
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import webhook_setup
from ultraviolet.hub.integrations.connections import Connections
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.ion import catalog
from ultraviolet.ion.client import IonClient, RetryPolicy
from ultraviolet.ion.errors import IonRefusedError
from ultraviolet.ion.webhooks import Pair
from ultraviolet.local_ion.auth.viewers import Viewer
from ultraviolet.local_ion.graphql.executor import LocalIon

CATALOG = catalog.load_catalog()
TOKEN_PATH = "/realms/api-keys/protocol/openid-connect/token"


class Where(NamedTuple):
    """A folder and a hub's database."""

    path: Path
    store_url: str


@pytest.fixture
def where(ion_folder: Path, store_url: str) -> Where:
    return Where(ion_folder, store_url)


class Place(Connections):
    """A hub's connection to a local ION over HTTP."""

    def __init__(self, where: Where, session: aiohttp.ClientSession, ion: LocalIon) -> None:
        database = Database.open(where.store_url)
        secrets, changes = SecretBox.from_text("a key of sixteen characters"), PubSub()
        super().__init__(
            database,
            CATALOG,
            secrets,
            changes,
            IngestService(database, CATALOG, secrets, changes, lambda _: None),
            public_url="http://hub.example",
            http=lambda: session,
            on_tested=self.record_test,
        )
        self.path, self.session, self.ion = where.path, session, ion
        self.viewer = Viewer(1)
        self.requests = 0
        self.tested: list[int] = []
        self.id = 0

    async def record_test(self, integration_id: int) -> None:
        self.tested.append(integration_id)

    async def client(self, integration_id: int) -> IonClient:
        given = await self.database.read(integrations.credentials, self.secrets, integration_id)
        client = integrations.make_client(given, 1000, self.session)
        client._retries = RetryPolicy(attempts=1)
        return client

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self.ion.execute(query, variables, None, Viewer(1))
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def url(self) -> webhook_urls.WebhookUrl:
        found = await self.database.read(webhook_urls.current_url, self.id)
        assert found
        return found


@asynccontextmanager
async def standing(where: Where) -> AsyncIterator[Place]:
    ion = LocalIon(where.path)

    async def sign_in(_: web.Request) -> web.Response:
        return web.json_response({"access_token": "token", "expires_in": 300})

    async def graphql(request: web.Request) -> web.Response:
        body = await request.json()
        place.requests += 1
        many = body if isinstance(body, list) else [body]
        answers = [
            await asyncio.to_thread(ion.execute, o["query"], o["variables"], None, place.viewer)
            for o in many
        ]
        return web.json_response(answers if isinstance(body, list) else answers[0])

    app = web.Application()
    app.router.add_post(TOKEN_PATH, sign_in)
    app.router.add_post("/graphql", graphql)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as session:
            place = Place(where, session, ion)
            new = NewIntegration("plant", address, address, "id", "secret")
            place.id = (
                await place.database.write(integrations.create, place.secrets, "kim", new)
            ).id
            yield place
            place.database.close()
    finally:
        await runner.cleanup()
        ion.close()


def run(where: Where, story: Callable[[Place], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with standing(where) as place:
            await story(place)

    asyncio.run(whole())


def tables_with(place: Place, token: str) -> list[str]:
    def look(connection: Connection) -> list[str]:
        return [
            name
            for name, table in metadata.tables.items()
            if any(token in repr(row) for row in connection.execute(select(table)))
        ]

    return place.database.read_now(look)


def done(overview: webhook_setup.Overview) -> list[bool]:
    return [step.done for step in overview.steps]


def test_connection_test_returns_viewer_resources_and_schema(where: Where) -> None:
    async def story(place: Place) -> None:
        result = await place.test(place.id)
        assert result.ok, result.findings
        assert place.tested == [place.id]
        assert result.viewer
        assert result.viewer.name
        orders = next(each for each in result.resources if each.resource == "purchase_orders")
        assert (orders.readable, orders.count) == (True, 0)
        kept = await place.database.read(lambda c: integrations.get(c, place.id).test_result)
        assert kept == result
        offered = await place.database.read(integrations.offered_schema, CATALOG, place.id)
        assert offered.has("PurchaseOrder", "shipToLocationId")
        assert offered.has("ResourceEnum", "RUNS")

    run(where, story)


def test_connection_test_reports_a_key_without_permissions(where: Where) -> None:
    async def story(place: Place) -> None:
        place.viewer = Viewer(1, frozenset({"me"}))
        result = await place.test(place.id)
        assert not result.ok
        assert any("cannot read any resource" in finding.message for finding in result.findings)
        assert any("webhook receivers" in finding.message for finding in result.findings)

    run(where, story)


def test_automatic_set_up_is_complete_and_idempotent(where: Where) -> None:
    async def story(place: Place) -> None:
        first = await webhook_setup.apply_setup(place, "kim", place.id)
        assert (first.receiver_created, first.refused) == (True, [])
        assert (first.plan.missing, first.plan.inactive, first.plan.extra) == ((), (), ())
        assert first.subscribed == len(first.plan.present) > 300
        assert first.webhook_url.verifies
        [node] = place.ask("{ webhookReceivers { edges { node { webhookUri name } } } }")[
            "webhookReceivers"
        ]["edges"]
        assert node["node"]["webhookUri"].startswith("http://hub.example/hooks/uvh_")
        before = place.requests
        again = await webhook_setup.apply_setup(place, "kim", place.id)
        assert (again.receiver_created, again.subscribed, again.activated) == (False, 0, 0)
        assert place.requests - before < 6
        assert again.webhook_url.id == first.webhook_url.id
        shown = await webhook_setup.setup_overview(place, place.id)
        assert done(shown) == [True, True, True, False, False]
        token = node["node"]["webhookUri"].rpartition("/")[2]
        assert token not in repr((first, again, shown))
        assert not tables_with(place, token)

    run(where, story)


def test_broken_receiver_and_subscriptions_are_repaired(where: Where) -> None:
    async def story(place: Place) -> None:
        await webhook_setup.apply_setup(place, "kim", place.id)
        client = await place.client(place.id)
        url = await place.url()
        receiver = await webhook_setup.webhooks.read_receiver(client, url.receiver_id or "")
        assert receiver
        await webhook_setup.webhooks.update_receiver(
            client, receiver, active=False, expectedResponseCode=204
        )
        update = "mutation($i: UpdateWebhookSubscriptionInput!) { updateWebhookSubscription(input: $i) { webhookSubscription { id } } }"
        off, gone, *_ = receiver.subscriptions
        place.ask(update, i={"id": off.id, "etag": off.etag, "active": False})
        await webhook_setup.webhooks.unsubscribe(client, [gone])
        broken = (await webhook_setup.read_setup(place, place.id)).plan
        assert (len(broken.missing), len(broken.inactive), len(broken.problems)) == (1, 1, 2)
        repaired = await webhook_setup.apply_setup(place, "kim", place.id)
        assert (repaired.subscribed, repaired.activated) == (1, 1)
        assert repaired.plan.problems == ()

    run(where, story)


def test_receiver_deleted_in_ion_is_recreated(where: Where) -> None:
    async def story(place: Place) -> None:
        chosen = [["RUN", "update"], ["purchaseOrders", "UPDATE"]]
        first = await webhook_setup.apply_setup(place, "kim", place.id, wanted=chosen)
        assert first.webhook_url.wanted == [("purchase_orders", "UPDATE"), ("runs", "UPDATE")]
        client = await place.client(place.id)
        receiver = await webhook_setup.webhooks.read_receiver(
            client, first.webhook_url.receiver_id or ""
        )
        assert receiver
        await webhook_setup.webhooks.unsubscribe(client, receiver.subscriptions)
        place.ask(
            "mutation($i: ID!, $e: String!) { deleteWebhookReceiver(id: $i, etag: $e) { id } }",
            i=receiver.id,
            e=receiver.etag,
        )
        assert (await webhook_setup.read_setup(place, place.id)).plan.receiver is None
        second = await webhook_setup.apply_setup(place, "kim", place.id)
        assert second.receiver_created
        assert second.webhook_url.id != first.webhook_url.id

    run(where, story)


def test_only_the_selected_pairs_are_subscribed(where: Where) -> None:
    async def story(place: Place) -> None:
        await webhook_setup.apply_setup(
            place, "kim", place.id, wanted=[["runs", "UPDATE"], ["parts", "CREATE"]]
        )
        narrowed = await webhook_setup.apply_setup(
            place, "kim", place.id, wanted=[["runs", "UPDATE"]]
        )
        assert [(each.resource, each.action) for each in narrowed.plan.extra] == [
            ("parts", "CREATE")
        ]
        cleaned = await webhook_setup.apply_setup(place, "kim", place.id, remove_extra=True)
        assert (cleaned.removed, cleaned.plan.extra, len(cleaned.plan.present)) == (1, (), 1)
        with pytest.raises(InvalidError, match="warp_drives"):
            await webhook_setup.apply_setup(
                place, "kim", place.id, wanted=[["warp_drives", "UPDATE"]]
            )

    run(where, story)


def test_texts_of_the_manual_set_up_work_and_the_receiver_is_found(where: Where) -> None:
    async def story(place: Place) -> None:
        url, token = await place.database.write(webhook_urls.create_url, "kim", place.id, "by hand")
        assert done(await webhook_setup.setup_overview(place, place.id)) == [
            True,
            False,
            False,
            False,
            False,
        ]
        texts = webhook_setup.setup_texts(
            CATALOG, webhook_urls.public_address(place.public_url, token)
        )
        made = place.ask(texts.receiver_mutation, **json.loads(texts.receiver_variables))
        receiver_id = made["createWebhookReceiver"]["webhookReceiver"]["id"]
        assert done(await webhook_setup.setup_overview(place, place.id)) == [
            True,
            True,
            False,
            False,
            False,
        ]
        filled = texts.subscription_variables.replace(texts.receiver_placeholder, str(receiver_id))
        place.ask(texts.subscription_document, **json.loads(filled))
        shown = await webhook_setup.setup_overview(place, place.id)
        assert done(shown) == [True, True, True, False, False]
        assert (await place.url()).receiver_id is None, "looking at it changes nothing"
        assert token not in repr(shown)
        adopted = await webhook_setup.adopt_receiver(place, "kim", place.id, str(receiver_id))
        assert adopted
        assert adopted.id == url.id
        assert (await place.url()).receiver_id == str(receiver_id)
        assert (await place.url()).verifies
        with pytest.raises(InvalidError, match="no receiver 99"):
            await webhook_setup.adopt_receiver(place, "kim", place.id, "99")

    run(where, story)


async def by_hand(place: Place, name: str) -> tuple[webhook_urls.WebhookUrl, str]:
    """Create a webhook URL, and a receiver for it in ION; return its id."""
    url, token = await place.database.write(webhook_urls.create_url, "kim", place.id, name)
    texts = webhook_setup.setup_texts(CATALOG, webhook_urls.public_address(place.public_url, token))
    made = place.ask(texts.receiver_mutation, **json.loads(texts.receiver_variables))
    return url, str(made["createWebhookReceiver"]["webhookReceiver"]["id"])


def test_each_receiver_is_adopted_and_subscriptions_count_for_all(where: Where) -> None:
    async def story(place: Place) -> None:
        first = await webhook_setup.apply_setup(place, "kim", place.id)
        second, receiver_id = await by_hand(place, "second")

        guide = await webhook_setup.setup_overview(place, place.id, second.id)
        assert guide.webhook_url == second
        assert done(guide) == [True, True, True, False, False]
        assert [step.needed for step in guide.steps] == [True, True, True, False, False]
        count, used_id = len(first.plan.present), first.webhook_url.receiver_id
        assert guide.steps[2].detail == f"All {count} subscriptions are on receiver {used_id}"
        assert guide.plan
        assert guide.plan.receiver
        assert guide.plan.receiver.id == receiver_id
        assert (guide.plan.missing, guide.plan.elsewhere) == ((), len(first.plan.present))

        adopted = await webhook_setup.adopt_receiver(place, "kim", place.id, receiver_id)
        assert adopted
        assert (adopted.id, adopted.receiver_id, adopted.verifies) == (second.id, receiver_id, True)
        third, _ = await place.database.write(webhook_urls.create_url, "kim", place.id, "third")
        empty = await webhook_setup.setup_overview(place, place.id, third.id)
        assert done(empty) == [True, False, True, False, False], "its receiver does not exist"
        assert empty.steps[2].detail == guide.steps[2].detail
        used = await webhook_setup.setup_overview(place, place.id)
        assert all(step.needed for step in used.steps)
        assert used.webhook_url
        assert used.webhook_url.id == first.webhook_url.id, "the one with the subscriptions"
        assert used.plan
        assert (used.plan.missing, used.plan.problems) == ((), ())
        again = await webhook_setup.apply_setup(place, "kim", place.id)
        assert (again.subscribed, again.receiver_created) == (0, False)

        client = await place.client(place.id)
        old = await webhook_setup.webhooks.read_receiver(
            client, again.webhook_url.receiver_id or ""
        )
        assert old
        await webhook_setup.webhooks.update_receiver(client, old, active=False)
        moved = await webhook_setup.setup_overview(place, place.id)
        assert moved.webhook_url
        assert moved.webhook_url.id == second.id, "a disabled receiver delivers nothing"
        assert moved.plan
        assert len(moved.plan.missing) == len(first.plan.present)

    run(where, story)


def test_selection_counts_for_all_urls(where: Where) -> None:
    async def story(place: Place) -> None:
        await webhook_setup.apply_setup(place, "kim", place.id, wanted=[["runs", "UPDATE"]])
        second, _ = await by_hand(place, "second")
        guide = await webhook_setup.setup_overview(place, place.id, second.id)
        assert guide.plan
        assert [pair.resource for pair in guide.plan.present] == ["runs"]
        await webhook_setup.select_subscriptions(place, "kim", place.id, [["parts", "CREATE"]])
        for url_id in (None, second.id):
            shown = await webhook_setup.setup_overview(place, place.id, url_id)
            assert shown.plan
            assert [pair.resource for pair in shown.plan.missing] == ["parts"]
            assert all(step.needed for step in shown.steps), "no receiver has all subscriptions"

    run(where, story)


def test_foreign_receiver_is_not_adopted(where: Where) -> None:
    async def story(place: Place) -> None:
        given = {"input": {"name": "other", "webhookUri": "https://other.example/hooks/x"}}
        made = place.ask(webhook_setup.webhooks.CREATE_RECEIVER, **given)["createWebhookReceiver"][
            "webhookReceiver"
        ]
        assert await webhook_setup.adopt_receiver(place, "kim", place.id) is None
        with pytest.raises(InvalidError, match="does not post to an active webhook URL"):
            await webhook_setup.adopt_receiver(place, "kim", place.id, str(made["id"]))

    run(where, story)


def test_rotation_moves_the_receiver(where: Where) -> None:
    async def story(place: Place) -> None:
        first = await webhook_setup.apply_setup(place, "kim", place.id)
        rotated = await webhook_setup.rotate_url(place, "kim", first.webhook_url.id)
        assert rotated.moved
        [edge] = place.ask("{ webhookReceivers { edges { node { webhookUri } } } }")[
            "webhookReceivers"
        ]["edges"]
        assert edge["node"]["webhookUri"] == rotated.url
        old, new = await place.database.read(
            lambda c: (
                webhook_urls.get_url(c, first.webhook_url.id),
                webhook_urls.get_url(c, rotated.webhook_url.id),
            )
        )
        assert (old.state, new.state, new.verifies) == ("rotated", "active", True)
        working = await place.database.read(webhook_urls.active_urls, place.secrets)
        assert {entry.url_id for entry in working.values()} == {old.id, new.id}
        again = await webhook_setup.apply_setup(place, "kim", place.id)
        assert (again.receiver_created, again.webhook_url.id) == (False, new.id)

    run(where, story)


def test_set_up_completes_a_rotation_that_ion_refused(where: Where) -> None:
    async def story(place: Place) -> None:
        first = await webhook_setup.apply_setup(place, "kim", place.id, wanted=[["runs", "UPDATE"]])
        place.viewer = Viewer(1, frozenset({"webhookReceiver", "webhookReceivers"}))
        rotated = await webhook_setup.rotate_url(place, "kim", first.webhook_url.id)
        assert not rotated.moved
        assert "permission" in rotated.detail
        with pytest.raises(IonRefusedError):
            await webhook_setup.apply_setup(place, "kim", place.id)
        place.viewer = Viewer(1)
        again = await webhook_setup.apply_setup(place, "kim", place.id)
        assert not again.receiver_created
        current = await place.url()
        receiver = await webhook_setup.webhooks.read_receiver(
            await place.client(place.id), current.receiver_id or ""
        )
        assert receiver
        found = await place.database.read(webhook_urls.find_by_token, place.id, receiver.token)
        assert found == current

    run(where, story)


def test_only_granted_subscriptions_require_a_full_fetch(
    where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe = webhook_setup.webhooks.subscribe
    chosen = [["runs", "UPDATE"], ["purchase_orders", "UPDATE"]]

    async def since_after(place: Place, *refused: str) -> str | None:
        async def grant(client: IonClient, receiver_id: str, pairs: Sequence[Pair]) -> list[str]:
            await subscribe(client, receiver_id, [pair for pair in pairs if pair[0] not in refused])
            return [f"{resource} is refused" for resource in refused]

        monkeypatch.setattr(webhook_setup.webhooks, "subscribe", grant)
        await webhook_setup.apply_setup(place, "kim", place.id, wanted=chosen)
        return (await place.url()).subscribed_at

    async def story(place: Place) -> None:
        assert await since_after(place, "RUNS", "PURCHASE_ORDERS") is None
        first = await since_after(place, "RUNS")
        assert first is not None
        assert await since_after(place, "RUNS") == first
        second = await since_after(place)
        assert second is not None
        assert second > first
        assert await since_after(place) == second

    run(where, story)


def test_missing_permission_is_reported_by_the_set_up_overview(where: Where) -> None:
    async def story(place: Place) -> None:
        place.viewer = Viewer(1, frozenset({"me"}))
        await place.database.write(webhook_urls.create_url, "kim", place.id, "by hand")
        shown = await webhook_setup.setup_overview(place, place.id)
        assert shown.plan is None
        assert "permission" in str(shown.problem)
        assert [step.detail for step in shown.steps[1:3]] == ["ION could not be read"] * 2
        with pytest.raises(IonRefusedError):
            await webhook_setup.apply_setup(place, "kim", place.id)

    run(where, story)
