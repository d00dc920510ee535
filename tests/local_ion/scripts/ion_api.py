"""Sign in to ION and send GraphQL, as integration scripts do."""

import os
from typing import Any
from urllib.parse import urljoin

import requests


class Ion:
    """One session with ION."""

    def __init__(self) -> None:
        self.api = os.environ["ION_API_URI"]
        form = {
            "grant_type": "client_credentials",
            "client_id": os.environ["ION_CLIENT_ID"],
            "client_secret": os.environ["ION_CLIENT_SECRET"],
            "audience": self.api,
        }
        address = (
            f"https://{os.environ['ION_AUTH_SERVER']}/realms/api-keys/protocol/openid-connect/token"
        )
        answer = requests.post(address, data=form, timeout=30)
        answer.raise_for_status()
        self.headers = {
            "Authorization": answer.json()["access_token"],
            "Content-Type": "application/json",
        }

    def send(self, body: Any) -> Any:
        """Send one request, or a list of them."""
        answer = requests.post(
            urljoin(self.api, "graphql"), headers=self.headers, json=body, timeout=30
        )
        answer.raise_for_status()
        return answer.json()

    def run(self, query: str, **variables: Any) -> dict[str, Any]:
        """Run one operation that must succeed."""
        answer = self.send({"query": query, "variables": variables})
        if answer.get("errors"):
            raise SystemExit(f"ION refuses: {answer['errors'][0]['message']}")
        return answer["data"]

    def batch(self, query: str, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Run one mutation for many inputs, in one request."""
        answers = self.send([{"query": query, "variables": {"input": each}} for each in inputs])
        return [answer["data"] for answer in answers]
