"""Requests go to public addresses over https, and elsewhere only where it is listed."""

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


def test_what_is_not_public_or_not_encrypted_is_refused() -> None:
    targets = EgressPolicy()
    for url in REFUSED:
        with pytest.raises(AddressNotAllowedError):
            targets.check(url)
    targets.check("https://api.buildwithion.com/graphql")
    targets.check("https://8.8.8.8")


def test_what_is_listed_is_let_through_also_over_http() -> None:
    targets = EgressPolicy(["10.0.0.0/8", "Ion.Plant"])
    targets.check("http://10.1.2.3:8100")
    targets.check("http://ion.plant/graphql")
    targets.check("https://[::ffff:10.0.0.1]")
    with pytest.raises(AddressNotAllowedError):
        targets.check("http://192.168.1.1")


def test_the_address_that_is_connected_to_is_the_one_that_is_checked() -> None:
    """A public name that is answered with a private address leads nowhere."""

    async def reached(targets: EgressPolicy, url: str) -> int:
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
            async with targets.session() as session, session.get(f"{url}:{port}") as response:
                return response.status
        finally:
            await runner.cleanup()

    class Rebinding(EgressPolicy):
        def check(self, url: str) -> None:
            """Believe the text, as if the name had been public when it was looked up first."""

    with pytest.raises(aiohttp.ClientError, match="not a public address"):
        asyncio.run(reached(Rebinding(), "http://localhost"))
    assert asyncio.run(reached(EgressPolicy(["localhost"]), "http://localhost")) == 200
    assert asyncio.run(reached(EgressPolicy(["127.0.0.0/8"]), "http://127.0.0.1")) == 200
    with pytest.raises(AddressNotAllowedError):
        asyncio.run(reached(EgressPolicy(["10.0.0.0/8"]), "http://127.0.0.1"))
