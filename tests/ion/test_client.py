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
        self.asked: list[Any] = []
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
        self.asked.append((request.headers["authorization"], body))
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
    assert ion.asked[0] == ("Bearer token-1", {"query": "{ok}", "variables": {}})


def test_the_sign_in_is_found_under_auth_too() -> None:
    ion = Ion()
    ion.sign_in_path = "/auth/realms/api-keys/protocol/openid-connect/token"
    assert run(ion, lambda client: client.execute("{ok}")).must() == {"ok": True}


def test_a_token_is_renewed_before_it_ends_and_when_it_is_refused() -> None:
    ion = Ion()
    ion.expires_in = 0
    ion.answers = [status(401)]
    assert run(ion, lambda client: client.execute("{ok}")).must() == {"ok": True}
    assert ion.tokens == 2
    expired = {"errors": [{"message": "Token is expired."}]}
    ion.answers = [lambda _: web.json_response(expired)]
    assert run(ion, lambda client: client.execute("{ok}")).must() == {"ok": True}


def test_wrong_credentials_are_said_in_words_and_not_retried() -> None:
    with pytest.raises(IonUnauthorizedError, match="Invalid client secret"):
        run(Ion(), lambda client: client.execute("{ok}"), secret="wrong")
    ion = Ion()
    ion.answers = [status(401), status(401)]
    with pytest.raises(IonUnauthorizedError, match="access token"):
        run(ion, lambda client: client.execute("{ok}"))


def test_failures_pass_and_pauses_are_kept() -> None:
    ion = Ion()
    ion.answers = [status(502), status(429, {"retry-after": "0.2"})]
    began = time.monotonic()
    assert run(ion, lambda client: client.execute("{ok}")).must() == {"ok": True}
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    ("code", "error"),
    [(503, IonUnreachableError), (429, IonRateLimitedError), (404, IonRefusedError)],
)
def test_failures_that_stay_are_told_apart(code: int, error: type[Exception]) -> None:
    ion = Ion()
    ion.answers = [status(code, {"retry-after": "soon"})] * 3
    with pytest.raises(error):
        run(ion, lambda client: client.execute("{ok}")).must()


def test_that_nobody_answers_is_soon_said_and_a_busy_ion_is_there() -> None:
    ion = Ion()
    ion.answers = [status(503)] * 3
    with pytest.raises(IonUnreachableError):
        run(ion, lambda client: client.look())
    ion.answers = [status(429)] * 3
    run(ion, lambda client: client.look())
    assert len(ion.asked) == 6


def test_a_creation_is_never_sent_twice() -> None:
    ion = Ion()
    ion.answers = [status(502)]
    with pytest.raises(IonUnreachableError):
        run(ion, lambda client: client.execute("mutation{x}", repeatable=False))
    assert len(ion.asked) == 1


def test_what_graphql_refuses_is_in_the_result() -> None:
    ion = Ion()
    refused = {"data": None, "errors": [{"message": "User does not have permission"}]}
    ion.answers = [lambda _: web.json_response(refused)]
    result = run(ion, lambda client: client.execute("{ok}"))
    assert result.errors == ("User does not have permission",)
    with pytest.raises(IonRefusedError, match="permission"):
        result.must()


def test_nul_characters_are_left_out_of_what_ion_answers() -> None:
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
def test_an_address_that_is_not_ion_is_noticed(answer: str) -> None:
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
def test_an_answer_that_is_not_ions_leads_to_the_address_and_the_proxy(answer: Any) -> None:
    ion = Ion()
    ion.answers = [answer]
    with pytest.raises(IonInterceptedError) as told:
        run(ion, lambda client: client.execute("{ok}"))
    assert "proxy" in next_step(str(told.value))
    assert len(ion.asked) == 1, "asking again would not help"


def test_a_limit_leads_to_fewer_requests() -> None:
    ion = Ion()
    ion.answers = [status(429)] * 3
    with pytest.raises(IonRateLimitedError) as told:
        run(ion, lambda client: client.execute("{ok}"))
    assert "lower the requests per second" in next_step(str(told.value))


def test_a_batch_is_one_request_and_answers_in_order() -> None:
    ion = Ion()
    ion.answers = [
        lambda body: web.json_response([{"data": {"q": each["query"]}} for each in body])
    ]
    results = run(ion, lambda client: client.execute_batch([("a", None), ("b", {"x": 1})]))
    assert [result.must() for result in results] == [{"q": "a"}, {"q": "b"}]
    assert len(ion.asked) == 1


def test_where_there_are_no_batches_requests_go_one_by_one() -> None:
    ion = Ion()
    ion.answers = [status(400)]
    results = run(ion, lambda client: client.execute_batch([("a", None), ("b", None)]))
    assert [result.must() for result in results] == [{"ok": True}] * 2
    assert len(ion.asked) == 3


def test_what_is_offered_comes_under_the_usual_names() -> None:
    ion = Ion()
    types = [
        {"name": "RootQuery", "fields": [{"name": "runs"}]},
        {"name": "ResourceEnum", "fields": None, "enumValues": [{"name": "RUNS"}]},
    ]
    schema = {"queryType": {"name": "RootQuery"}, "mutationType": None, "types": types}
    ion.answers = [lambda _: web.json_response({"data": {"__schema": schema}})]
    offered = run(ion, lambda client: client.introspect())
    assert {"Query": {"runs"}, "ResourceEnum": {"RUNS"}} == offered.types


def test_nothing_there_is_said_with_the_address() -> None:
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


def test_the_budget_spreads_requests() -> None:
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
def test_an_address_is_completed(given: str, url: str) -> None:
    assert graphql_url(given) == url


def test_a_whole_token_address_stands_as_it_is() -> None:
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
