"""The client authenticates, retries repeatable requests, and reports errors as messages."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ultraviolet.errors import InvalidError
from ultraviolet.ion.auth import token_urls
from ultraviolet.ion.client import IonClient, Result, RetryPolicy, graphql_url
from ultraviolet.ion.errors import (
    IonInterceptedError,
    IonRateLimitedError,
    IonRefusedError,
    IonUnauthorizedError,
    IonUnreachableError,
    next_step,
)
from ultraviolet.ion.rate_limiter import AdaptiveRateLimiter

QUICK = RetryPolicy(attempts=3, first_wait=0.01, longest_wait=0.02, whole_time=5)
Answer = Callable[[Any], web.Response]


class Ion:
    """An ION with scripted responses that records its requests."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[Any] = []
        self.tokens = 0
        self.sign_in_path = "/realms/api-keys/protocol/openid-connect/token"
        self.expires_in = 300

    async def sign_in(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form["client_secret"] != "right":
            denial = {"error": "unauthorized_client", "error_description": "Invalid client secret"}
            return web.json_response(denial, status=401)
        self.tokens += 1
        return web.json_response(
            {"access_token": f"token-{self.tokens}", "expires_in": self.expires_in}
        )

    async def graphql(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append((request.headers["authorization"], body))
        return (
            self.answers.pop(0)(body) if self.answers else web.json_response({"data": {"ok": True}})
        )


@asynccontextmanager
async def running(ion: Ion, secret: str = "right") -> AsyncIterator[IonClient]:
    app = web.Application()
    app.router.add_post(ion.sign_in_path, ion.sign_in)
    app.router.add_post("/graphql", ion.graphql)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as session:
            budget = AdaptiveRateLimiter(1000)
            yield IonClient(
                address, address, "id", secret, budget=budget, session=session, retries=QUICK
            )
    finally:
        await runner.cleanup()


def run(ion: Ion, use: Callable[[IonClient], Awaitable[Any]], secret: str = "right") -> Any:
    async def story() -> Any:
        async with running(ion, secret) as client:
            return await use(client)

    return asyncio.run(story())


def status(code: int, headers: dict[str, str] | None = None) -> Answer:
    return lambda _: web.json_response(
        {"errors": [{"message": "no"}]}, status=code, headers=headers
    )


def test_one_token_serves_many_requests() -> None:
    ion = Ion()

    async def use(client: IonClient) -> list[Result]:
        return await asyncio.gather(*(client.execute("{ok}") for _ in range(5)))

    assert [Result({"ok": True})] * 5 == run(ion, use)
    assert ion.tokens == 1
    assert ion.requests[0] == ("Bearer token-1", {"query": "{ok}", "variables": {}})


def test_token_url_with_auth_prefix_is_found() -> None:
    ion = Ion()
    ion.sign_in_path = "/auth/realms/api-keys/protocol/openid-connect/token"
    assert run(ion, lambda client: client.execute("{ok}")).must() == {"ok": True}


def test_token_is_renewed_early_and_after_rejection() -> None:
    ion = Ion()
    ion.expires_in = 0
    ion.answers = [status(401)]
    assert run(ion, lambda client: client.execute("{ok}")).must() == {"ok": True}
    assert ion.tokens == 2
    expired = {"errors": [{"message": "Token is expired."}]}
    ion.answers = [lambda _: web.json_response(expired)]
    assert run(ion, lambda client: client.execute("{ok}")).must() == {"ok": True}


def test_wrong_credentials_have_a_clear_message_and_are_not_retried() -> None:
    with pytest.raises(IonUnauthorizedError, match="Invalid client secret"):
        run(Ion(), lambda client: client.execute("{ok}"), secret="wrong")
    ion = Ion()
    ion.answers = [status(401), status(401)]
    with pytest.raises(IonUnauthorizedError, match="access token"):
        run(ion, lambda client: client.execute("{ok}"))


def test_temporary_failures_are_retried_after_the_requested_pause() -> None:
    ion = Ion()
    ion.answers = [status(502), status(429, {"retry-after": "0.2"})]
    began = time.monotonic()
    assert run(ion, lambda client: client.execute("{ok}")).must() == {"ok": True}
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    ("code", "error"),
    [(503, IonUnreachableError), (429, IonRateLimitedError), (404, IonRefusedError)],
)
def test_permanent_failures_have_distinct_errors(code: int, error: type[Exception]) -> None:
    ion = Ion()
    ion.answers = [status(code, {"retry-after": "soon"})] * 3
    with pytest.raises(error):
        run(ion, lambda client: client.execute("{ok}")).must()


def test_connection_check_fails_fast_and_accepts_a_busy_ion() -> None:
    ion = Ion()
    ion.answers = [status(503)] * 3
    with pytest.raises(IonUnreachableError):
        run(ion, lambda client: client.look())
    ion.answers = [status(429)] * 3
    run(ion, lambda client: client.look())
    assert len(ion.requests) == 6


def test_mutation_is_not_retried() -> None:
    ion = Ion()
    ion.answers = [status(502)]
    with pytest.raises(IonUnreachableError):
        run(ion, lambda client: client.execute("mutation{x}", repeatable=False))
    assert len(ion.requests) == 1


def test_graphql_errors_are_in_the_result() -> None:
    ion = Ion()
    refused = {"data": None, "errors": [{"message": "User does not have permission"}]}
    ion.answers = [lambda _: web.json_response(refused)]
    result = run(ion, lambda client: client.execute("{ok}"))
    assert result.errors == ("User does not have permission",)
    with pytest.raises(IonRefusedError, match="permission"):
        result.must()


def test_nul_characters_are_removed_from_responses() -> None:
    ion = Ion()
    data = {
        "note": "a\0b",
        "rows": [{"k\0": ["\0", 1, None]}],
        "path": r"C:\u0000",
        "quantity": 2.5,
    }
    ion.answers = [lambda _: web.json_response({"data": data})]

    result = run(ion, lambda client: client.execute("{ok}"))

    kept = {"note": "ab", "rows": [{"k": ["", 1, None]}], "path": r"C:\u0000", "quantity": 2.5}
    assert result.data == kept


@pytest.mark.parametrize("answer", ["<html>", "7", "{}"])
def test_address_of_another_server_is_detected(answer: str) -> None:
    ion = Ion()
    ion.answers = [lambda _: web.Response(text=answer)]
    with pytest.raises(IonRefusedError, match="check that this is the address"):
        run(ion, lambda client: client.execute("{ok}"))


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: web.Response(
            status=302, headers={"location": "https://login.example/sso?next=/"}
        ),
        lambda _: web.Response(
            text="<!doctype html><title>Sign in</title>", content_type="text/html"
        ),
        lambda _: web.Response(status=401, text=" <html>Proxy</html>", content_type="text/html"),
        lambda _: web.Response(status=403, text="<h1>Blocked</h1>", content_type="text/html"),
        lambda _: web.Response(status=307, text="{}", content_type="application/json"),
    ],
    ids=["redirect", "login page", "proxy", "firewall", "redirect with JSON"],
)
def test_foreign_response_suggests_checking_address_and_proxy(answer: Any) -> None:
    ion = Ion()
    ion.answers = [answer]
    with pytest.raises(IonInterceptedError) as raised:
        run(ion, lambda client: client.execute("{ok}"))
    assert "proxy" in next_step(str(raised.value))
    assert len(ion.requests) == 1, "a retry would not help"


def test_rate_limit_reduces_requests() -> None:
    ion = Ion()
    ion.answers = [status(429)] * 3
    with pytest.raises(IonRateLimitedError) as raised:
        run(ion, lambda client: client.execute("{ok}"))
    assert "lower the requests per second" in next_step(str(raised.value))


def test_batch_is_one_request_with_results_in_order() -> None:
    ion = Ion()
    ion.answers = [
        lambda body: web.json_response([{"data": {"q": each["query"]}} for each in body])
    ]
    results = run(ion, lambda client: client.execute_batch([("a", None), ("b", {"x": 1})]))
    assert [result.must() for result in results] == [{"q": "a"}, {"q": "b"}]
    assert len(ion.requests) == 1


def test_unsupported_batch_falls_back_to_single_requests() -> None:
    ion = Ion()
    ion.answers = [status(400)]
    results = run(ion, lambda client: client.execute_batch([("a", None), ("b", None)]))
    assert [result.must() for result in results] == [{"ok": True}] * 2
    assert len(ion.requests) == 3


def test_offered_fields_have_canonical_names() -> None:
    ion = Ion()
    types = [
        {"name": "RootQuery", "fields": [{"name": "runs"}]},
        {"name": "ResourceEnum", "fields": None, "enumValues": [{"name": "RUNS"}]},
    ]
    schema = {"queryType": {"name": "RootQuery"}, "mutationType": None, "types": types}
    ion.answers = [lambda _: web.json_response({"data": {"__schema": schema}})]
    offered = run(ion, lambda client: client.introspect())
    assert {"Query": {"runs"}, "ResourceEnum": {"RUNS"}} == offered.types


def test_connection_error_contains_the_address() -> None:
    async def use() -> None:
        async with aiohttp.ClientSession() as session:
            client = IonClient(
                "127.0.0.1:1",
                "127.0.0.1:1",
                "id",
                "s",
                budget=AdaptiveRateLimiter(9),
                session=session,
                retries=QUICK,
            )
            await client.execute("{ok}")

    with pytest.raises(IonUnreachableError, match=r"127\.0\.0\.1:1"):
        asyncio.run(use())


def test_requests_are_spread_over_time() -> None:
    async def use() -> float:
        budget, began = AdaptiveRateLimiter(50), time.monotonic()
        for _ in range(60):
            await budget.take()
        return time.monotonic() - began

    assert 0.1 <= asyncio.run(use()) < 1.5


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("api.buildwithion.com", "https://api.buildwithion.com/graphql"),
        ("https://api.buildwithion.com/graphql/", "https://api.buildwithion.com/graphql"),
        ("localhost:8100", "http://localhost:8100/graphql"),
    ],
)
def test_base_address_is_completed(given: str, url: str) -> None:
    assert graphql_url(given) == url


def test_complete_token_url_is_unchanged() -> None:
    whole = "https://auth.example.com/realms/other/protocol/openid-connect/token"
    assert token_urls(whole) == (whole,)
    assert token_urls("auth.example.com/auth")[0].startswith(
        "https://auth.example.com/auth/realms/"
    )
    assert token_urls("auth.example.com/realms/api-keys")[0].endswith(
        "/realms/api-keys/protocol/openid-connect/token"
    )
    with pytest.raises(InvalidError):
        token_urls(" ")
