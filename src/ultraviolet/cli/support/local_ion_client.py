"""A client of the local ION's control API."""

import json
import os
import ssl
import urllib.error
import urllib.request
from typing import Any

import typer

from ultraviolet.connection_errors import connection_problem
from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.outgoing import AnswerTooLargeError, opener, read_file

_TIMEOUT_SECONDS = 60.0
_CA_VARIABLES = ("ULTRAVIOLET_CA_FILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables with the certificate authority of a local ION over https."""

URL: str = typer.Option(
    "http://127.0.0.1:8100", envvar="ULTRAVIOLET_LOCAL_ION", help="Address of the local ION."
)


class LocalIonUnreachableError(UltravioletError):
    """No local ION responds; start one with `ultraviolet ion serve`, or set --url."""

    kind = "local-ion-unreachable"
    exit_code = 6


def call_control_api(url: str, path: str, body: Any = None, *, method: str = "POST") -> Any:
    """Send one request and return its JSON. Raise LocalIonUnreachableError or InvalidError."""
    if not url.startswith(("http://", "https://")):
        raise InvalidError(f"“{url}” is not a valid address. Example: http://127.0.0.1:8100")
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310  the scheme was checked
        url.rstrip("/") + path,
        data=content,
        method=method,
        headers={"content-type": "application/json"},
    )
    try:
        with opener(url, ssl_context()).open(request, timeout=_TIMEOUT_SECONDS) as answer:
            return json.loads(read_file(answer) or b"null")
    except urllib.error.HTTPError as error:
        with error:
            raise InvalidError(
                f"{url}{path} responded with status {error.code}: {_reason(read_file(error))}"
            ) from error
    except (OSError, ValueError, AnswerTooLargeError) as error:
        raise LocalIonUnreachableError(
            f"No local ION responds at {url}: {connection_problem(error)}. Start one with `ultraviolet ion serve`."
        ) from error


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]


def ssl_context() -> ssl.SSLContext:
    """Return a context that trusts the system's authorities and those of the environment."""
    context = ssl.create_default_context()
    for name in _CA_VARIABLES:
        if os.environ.get(name):
            context.load_verify_locations(os.environ[name])
    return context
