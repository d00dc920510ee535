"""The egress policy allows public addresses over HTTPS, and listed targets."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from ultraviolet.hub.core.egress import AddressNotAllowedError, EgressPolicy

REFUSED = (
    "file:///etc/passwd",
    "gopher://example.com",
    "http:///path",
    "https://user:password@example.com",
    "http://example.com",
    "https://127.0.0.1",
    "https://10.1.2.3",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]",
    "https://[fe80::1%25eth0]",
    "https://[::ffff:10.0.0.1]",
    "https://[64:ff9b::a00:1]",
    "https://[2002:a00:1::]",
    "https://0.0.0.0",
    "https://224.0.0.1",
)


def test_private_and_unencrypted_targets_are_refused() -> None:
    policy = EgressPolicy()
    for url in REFUSED:
        with pytest.raises(AddressNotAllowedError):
            policy.check(url)
    policy.check("https://api.buildwithion.com/graphql")
    policy.check("https://8.8.8.8")


def test_listed_targets_are_allowed_over_http() -> None:
    policy = EgressPolicy(["10.0.0.0/8", "Ion.Plant"])
    policy.check("http://10.1.2.3:8100")
    policy.check("http://ion.plant/graphql")
    policy.check("https://[::ffff:10.0.0.1]")
    with pytest.raises(AddressNotAllowedError):
        policy.check("http://192.168.1.1")


def test_policy_checks_the_resolved_address() -> None:
    """A name that passes the check of its text but resolves to a private address is refused."""

    async def request(policy: EgressPolicy, url: str) -> int:
        async def answer(_request: web.Request) -> web.Response:
            return web.Response()

        application = web.Application()
        application.add_routes([web.get("/", answer)])
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            async with policy.session() as session, session.get(f"{url}:{port}") as response:
                return response.status
        finally:
            await runner.cleanup()

    class Rebinding(EgressPolicy):
        def check(self, url: str) -> None:
            """Accept any text, as if the name had resolved to a public address before."""

    with pytest.raises(aiohttp.ClientError, match="not a public address"):
        asyncio.run(request(Rebinding(), "http://localhost"))
    assert asyncio.run(request(EgressPolicy(["localhost"]), "http://localhost")) == 200
    assert asyncio.run(request(EgressPolicy(["127.0.0.0/8"]), "http://127.0.0.1")) == 200
    with pytest.raises(AddressNotAllowedError):
        asyncio.run(request(EgressPolicy(["10.0.0.0/8"]), "http://127.0.0.1"))
