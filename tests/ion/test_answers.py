"""Decoding of JSON that breaks the rules: a value that every database can hold, or a ValueError."""

import asyncio
import json
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultraviolet.hub.health import missed_deliveries
from ultraviolet.hub.integrations import connection_test
from ultraviolet.ion import answers, catalog, deliveries, webhooks
from ultraviolet.ion.client import IonClient, RetryPolicy
from ultraviolet.ion.errors import IonError
from ultraviolet.ion.rate_limiter import AdaptiveRateLimiter
from ultraviolet.testing import LocalIonProcess
from ultraviolet.testing.answer_proxy import AnswerProxy, Rule

CATALOG = catalog.load_catalog()
TEXTS = st.text(st.characters(codec=None), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


def assert_storable(value: Any) -> None:
    written = msgspec.json.encode(value)
    assert value == msgspec.json.decode(written)
    assert b"\\u0000" not in written


@given(VALUES, st.booleans())
def test_any_json_decodes_to_storable_text(value: Any, escaped: bool) -> None:
    body = json.dumps(value, ensure_ascii=escaped).encode(errors="surrogatepass")
    assert_storable(answers.decode(body).value)


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_raise_value_error(body: bytes) -> None:
    for around in (b"%b", b'"%b"', b'{"a": "%b"}', b"[%b]"):
        try:
            decoded = answers.decode(around % body)
        except ValueError:
            continue
        assert_storable(decoded.value)


def test_valid_json_is_unchanged() -> None:
    for body in (b'"\\ud83d\\ude00"', rb'"\\ud83d"', b'{"a": [1, 1.5, null]}', '"\ufffd"'.encode()):
        assert answers.Decoded(json.loads(body), repaired=False) == answers.decode(body)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_deep_nesting_is_rejected_in_linear_time(opening: bytes) -> None:
    for count in (300, 900, 200_000):
        with pytest.raises(ValueError, match=r"nested|Expecting|truncated"):
            answers.decode(opening * count)
    closing = opening.replace(b'"a":', b"")[::-1].translate(bytes.maketrans(b"[{", b"]}"))
    with pytest.raises(ValueError, match="nested"):
        answers.decode(opening * 300 + b"1" + closing * 300)
    answers.decode(opening * 80 + b"1" + closing * 80)


FIELDS = st.sampled_from(
    ["id", "event_id", "resource", "action", "changes", "data", "timestamp", "actor_id"]
)


@given(st.dictionaries(FIELDS, VALUES | st.sampled_from(["parts", "runs", "CREATE", 17])))
def test_any_delivery_decodes_to_storable_values(body: dict[str, Any]) -> None:
    written = json.dumps(body).encode()
    envelope = deliveries.decode(CATALOG, written)
    assert_storable(msgspec.to_builtins(envelope))
    assert envelope.object_id == deliveries.decode_envelope(CATALOG, written).object_id
    deliveries.actor(written)


def test_unpaired_surrogate_in_a_delivery_is_replaced() -> None:
    body = rb'{"resource": "parts", "action": "UPDATE", "id": 1, "changes": {"description": {"new": "Valve \ud83d"}}}'
    assert {"description": "Valve \ufffd"} == deliveries.decode(CATALOG, body).fields
    assert deliveries.decode(CATALOG, body).problem is None


NODES = (
    st.none()
    | VALUES
    | st.dictionaries(
        st.sampled_from(
            [
                "id",
                "webhookUri",
                "subscriptions",
                "status",
                "requestData",
                "_created",
                "name",
                "organization",
            ]
        ),
        VALUES | st.integers(1, 5) | st.just("http://hub/hooks/x"),
    )
)
LISTS = VALUES | st.fixed_dictionaries(
    {"edges": st.lists(st.none() | st.fixed_dictionaries({"node": NODES}))}
)
ROOTS = (
    "webhookReceivers",
    "webhookReceiver",
    "webhookEvents",
    "createWebhookReceiver",
    "me",
    "page",
    "__schema",
)


@pytest.fixture(scope="module")
def proxy(local_ion_process: LocalIonProcess) -> Any:
    with AnswerProxy(local_ion_process.url) as proxy:
        yield proxy


@given(data=st.dictionaries(st.sampled_from(ROOTS), LISTS | NODES), errors=VALUES)
@settings(max_examples=15, deadline=None)
def test_any_response_raises_only_ion_errors(
    proxy: AnswerProxy, local_ion_process: LocalIonProcess, data: Any, errors: Any
) -> None:
    answer = json.dumps({"data": data, "errors": errors} if errors else {"data": data}).encode()
    proxy.rules = [Rule("respond", body=answer)]
    secret = local_ion_process.client_secret

    async def use() -> None:
        async with aiohttp.ClientSession() as session:
            client = IonClient(
                proxy.url,
                proxy.url,
                local_ion_process.client_id,
                secret,
                budget=AdaptiveRateLimiter(5000),
                session=session,
                retries=RetryPolicy(attempts=1),
            )
            found, _ = await connection_test.run_connection_test(
                client, CATALOG.following(["parts"])
            )
            assert_storable(msgspec.to_builtins(found))
            for ask in (
                lambda: webhooks.read_receiver(client, "1"),
                lambda: webhooks.list_receivers(client),
                lambda: webhooks.create_receiver(client, "hub", "http://hub"),
                lambda: missed_deliveries.read_sent_deliveries(client, 0),
                client.introspect,
            ):
                try:
                    await ask()
                except IonError:
                    continue

    asyncio.run(use())
