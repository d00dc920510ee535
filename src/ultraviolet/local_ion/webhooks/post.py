"""Posts deliveries over HTTP."""

import aiohttp

from ultraviolet.ion.signatures import sign
from ultraviolet.local_ion.webhooks.delivery import Delivery
from ultraviolet.outgoing import get_proxy

MAX_RECORDED_RESPONSE_BYTES = 2_000


class Poster:
    """An HTTP client of receivers."""

    def __init__(self, concurrency: int, timeout_seconds: float) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=concurrency),
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
        )

    async def post(self, delivery: Delivery) -> tuple[int | None, str]:
        """Post one delivery; return the response status and the start of its body.

        Without a response, return None and the error.
        """
        headers = dict(delivery.headers) | {
            "content-type": "application/json",
            "x-ion-signature": sign(delivery.secret, delivery.signed_body or delivery.body),
        }
        try:
            async with self._session.post(
                delivery.url,
                data=delivery.body,
                headers=headers,
                allow_redirects=False,
                proxy=get_proxy(delivery.url),
            ) as response:
                content = await response.content.read(MAX_RECORDED_RESPONSE_BYTES)
                return response.status, content.decode("utf-8", "replace")
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            return None, f"{type(error).__name__}: {error}"

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
