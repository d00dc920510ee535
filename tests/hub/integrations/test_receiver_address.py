"""The address of a receiver is compared with that of the hub."""

import pytest

from ultraviolet.hub.integrations.receiver_address import find_address_problem
from ultraviolet.ion.webhooks import Receiver

SECRET = "uvh_secret"


@pytest.mark.parametrize(
    ("hub", "posts_to"),
    [
        ("http://127.0.0.1:8000", f"http://127.0.0.1:8000/hooks/{SECRET}"),
        ("http://127.0.0.1:8000", f"http://localhost:8000/hooks/{SECRET}/"),
        ("https://hub.example.com", f"https://HUB.example.com:443/hooks/{SECRET}?from=ion"),
        ("https://example.com/uv", f"https://example.com/uv/hooks/{SECRET}"),
        ("https://hub.example.com.", f"https://hub.example.com/hooks/{SECRET}"),
        ("https://münchen.example", f"https://xn--mnchen-3ya.example/hooks/{SECRET}"),
        # A hub with a local address may be behind a proxy.
        ("http://127.0.0.1:8000", f"https://hub.example.com/hooks/{SECRET}"),
        ("http://0.0.0.0:8000", f"http://127.0.0.1:8001/hooks/{SECRET}"),
    ],
)
def test_same_or_unknown_address_is_accepted(hub: str, posts_to: str) -> None:
    assert find_address_problem(receiver(posts_to), hub) is None


@pytest.mark.parametrize(
    ("hub", "posts_to", "says"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8001/hooks/{}", "http://127.0.0.1:8001;"),
        ("http://127.0.0.1:8000", "http://[::1]:8001/hooks/{}", "http://[::1]:8001;"),
        ("https://hub.example.com", "http://hub.example.com/hooks/{}", "http://hub.example.com;"),
        ("https://hub.example.com", "http://127.0.0.1:8000/hooks/{}", "http://127.0.0.1:8000;"),
        ("https://example.com/uv", "https://example.com/hooks/{}", "https://example.com;"),
        ("https://a.example", "https://kim:pw@b.example/hooks/{}", "https://b.example;"),
        ("https://a.example", "https://a.example/{}", "https://a.example/…;"),
        ("https://a.example", "https://[/hooks/{}", "an invalid address"),
        ("https://a.example", "/hooks/{}", "an invalid address"),
    ],
)
def test_other_address_is_named_without_secrets(hub: str, posts_to: str, says: str) -> None:
    problem = find_address_problem(receiver(posts_to.format(SECRET)), hub)

    assert problem is not None
    assert says in problem
    assert problem.endswith(f"this hub is {hub}")
    assert SECRET not in problem
    assert "pw" not in problem


def receiver(uri: str) -> Receiver:
    return Receiver("7", "Ultraviolet", uri, None, True, 200, "1")
