"""Speaking to the doors that only a local ION has."""

import json
import os
import ssl
import urllib.error
import urllib.request
from typing import Any

import typer

from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.outgoing import AnswerTooLargeError, opener, read_file

_TIME_OUT = 60.0
_TRUST = ("ULTRAVIOLET_CA_FILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
"""Where the authority of a local ION that serves https is looked for."""

URL: str = typer.Option(
    "http://127.0.0.1:8100", envvar="ULTRAVIOLET_LOCAL_ION", help="Where the local ION runs."
)


class LocalIonUnreachableError(UltravioletError):
    """No local ION answers there; start one with `ultraviolet ion serve`, or name it with --url."""

    kind = "local-ion-unreachable"
    exit_code = 6


def call_control_api(url: str, path: str, body: Any = None, *, method: str = "POST") -> Any:
    """Send one request and give the JSON it answers; raises LocalIonUnreachableError, InvalidError."""
    if not url.startswith(("http://", "https://")):
        raise InvalidError(f"{url} is not an address such as http://127.0.0.1:8100")
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310  the scheme was checked
        url.rstrip("/") + path,
        data=content,
        method=method,
        headers={"content-type": "application/json"},
    )
    try:
        with opener(url, trusting()).open(request, timeout=_TIME_OUT) as answer:
            return json.loads(read_file(answer) or b"null")
    except urllib.error.HTTPError as error:
        with error:
            raise InvalidError(
                f"{url}{path} answered {error.code}: {_reason(read_file(error))}"
            ) from error
    except (OSError, ValueError, AnswerTooLargeError) as error:
        raise LocalIonUnreachableError(
            f"No local ION answers at {url} ({error}). Start one with `ultraviolet ion serve`."
        ) from error


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]


def trusting() -> ssl.SSLContext:
    """Trust what the system trusts, and the authority the environment names."""
    context = ssl.create_default_context()
    for name in _TRUST:
        if os.environ.get(name):
            context.load_verify_locations(os.environ[name])
    return context
