"""Compare the address to which a receiver posts with the address of this hub."""

from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from ultraviolet.ion.webhooks import Receiver
from ultraviolet.outgoing import is_loopback

_ANY = ("0.0.0.0", "::")  # noqa: S104  compared, not bound
_PORTS = {"http": 80, "https": 443}


class _Address(NamedTuple):
    """The address of a hub: that of a webhook URL without its secret part."""

    scheme: str
    host: str
    port: int | None
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port in (None, _PORTS.get(self.scheme)) else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    def is_same(self, other: "_Address") -> bool:
        """Return whether both are the same address; all names of this machine are equal."""
        both_here = is_loopback(self.host) and is_loopback(other.host)
        return (both_here or self.host == other.host) and (
            (self.scheme, self.port, self.path) == (other.scheme, other.port, other.path)
        )


def find_address_problem(receiver: Receiver, public_url: str) -> str | None:
    """Return a sentence if a receiver with a webhook URL of this hub posts to another address.

    A hub with a local address does not know whether it is behind a proxy. Then only a receiver
    that posts to this machine is judged. The sentence does not contain the secret part.
    """
    hub = _parse(public_url)
    posts_to = _parse(receiver.uri.partition("?")[0].rstrip("/"), f"/hooks/{receiver.token}")
    if hub is None or hub.host in _ANY:
        return None
    if posts_to is None:
        return f"Receiver {receiver.id} posts to an invalid address; this hub is {hub}"
    if hub.is_same(posts_to) or (is_loopback(hub.host) and not is_loopback(posts_to.host)):
        return None
    return f"Receiver {receiver.id} posts to another address: {posts_to}; this hub is {hub}"


def may_correct(receiver: Receiver, public_url: str) -> bool:
    """Return whether the hub may change the address of a receiver unless a person asks for it.

    If it posts to another machine, another hub may own it, such as the original of a copied
    database.
    """
    hub = _parse(public_url)
    posts_to = _parse(receiver.uri.partition("?")[0].rstrip("/"), f"/hooks/{receiver.token}")
    if hub is None or posts_to is None:
        return False
    return is_loopback(posts_to.host) or hub.host == posts_to.host


def _parse(url: str, ending: str = "") -> _Address | None:
    """Return an address without the ending of its path, or None if it is invalid.

    A path without this ending keeps all but its last segment, which may be secret.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not host:
        return None
    with suppress(UnicodeError):  # the same name in Unicode and as ION may store it
        host = host.rstrip(".").encode("idna").decode()
    path = parts.path.rstrip("/")
    if ending and path.endswith(ending):
        path = path.removesuffix(ending)
    elif ending:
        path = path.rpartition("/")[0] + "/…"
    return _Address(parts.scheme, host, port, path)
