"""Logs contain no secrets from paths, headers or messages, in any spelling."""

import gc
import json
import logging
import secrets
import sys
import time
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ultraviolet import log_config
from ultraviolet.redaction import redact

TOKENS = st.builds(
    lambda prefix, number: f"{prefix}_{secrets.token_urlsafe(32)}" + "" * number,
    st.sampled_from(["uvh", "uvk", "uvl", "uvs"]),
    st.integers(0, 3),
)
BEFORE = (
    "/hooks/",
    "//hooks/",
    "/HOOKS/",
    "/%68ooks/",
    "/hooks/../hooks/",
    "/hooks//",
    "/hooks/%2e%2e/",
    "/./hooks/",
    "/hooks%2f",
    "http://hub.test/hooks/",
    "/sign-in/",
    "//Sign-In/",
    "/x/",
    "/hooks?",
    "/?next=/hooks/",
    "/?key=",
    "/api/v1/hooks/",
    "\\\\hooks\\\\",
)
MESSAGES = (
    "{}",
    "Bearer {}",
    "authorization: Bearer {}",
    "(b'authorization', b'Bearer {}')",
    "ultraviolet_session={}; a=b",
    "Cookie: x=1; ultraviolet_session={}",
    "the key '{}' is not valid",
    '{{"key": "{}"}}',
    "POST {} HTTP/1.1",
    "<{}>",
)


def encode(token: str, which: list[int]) -> str:
    """Return the token with each character percent-encoded as often as the list says."""
    result = ""
    for number, character in enumerate(token):
        times = which[number % len(which)]
        for _ in range(times):
            first = "".join(f"%{byte:02x}" for byte in character[:1].encode())
            character = first + character[1:]  # noqa: PLW2901
        result += character
    return result


def decodings(text: str) -> Iterator[str]:
    """Return the text, and the text as repeatedly decoded."""
    for _ in range(12):
        yield text.casefold()
        text = unquote(text)


@given(
    TOKENS,
    st.sampled_from(BEFORE),
    st.sampled_from(MESSAGES),
    st.lists(st.integers(0, 3), min_size=1, max_size=5),
)
@example("uvh_" + "a" * 43, "//hooks/", "{}", [0])
@example("uvh_" + "a" * 43, "/hooks/", "{}", [0, 9])
@settings(max_examples=300, deadline=None, database=None)
def test_token_is_removed_in_any_encoding(
    token: str, before: str, message: str, which: list[int]
) -> None:
    logged = redact(message.format(before + encode(token, which)))
    body = token.partition("_")[2].casefold()
    assert not any(body in decoded for decoded in decodings(logged)), logged


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("/hooks/vh_abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"),
        ("x-ion-signature: 0123abcd0123abcd", "0123abcd"),
        ("{'x-ion-signature': 'sha256=0123abcd'}", "0123abcd"),
        ("[(b'x-ion-signature', b'0123abcd')]", "0123abcd"),
        ("http://ion/files/1?signature=0123abcd&x=1", "0123abcd"),
        ('{"client_secret": "hunter2", "x": 1}', "hunter2"),
        ("client_id=a&client_secret=hunter2", "hunter2"),
        ("smtp://mailer:hunter2@mail.example.com:587", "hunter2"),
        ("postgresql+psycopg://hub:hunter2@host/name", "hunter2"),
        ("Authorization: Basic aHVudGVyMg==", "aHVudGVyMg"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJzdWIi"),
        ("local_ion_session=abcdef", "abcdef"),
        ("Set-Cookie: a=abcdef; Path=/", "abcdef"),
        ("password=hunter2", "hunter2"),
    ],
)
def test_other_secrets_are_removed(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "/objects/parts/1",
        "/api/v1/integrations/1/webhook-urls",
        "/search?q=100%25%20steel",
        "3 of 72 resources",
        "/hooks/guess",
        "The database does not answer: connection refused",
        "/api/v1/objects/parts/a%2Fb",
        "50 % of 10%",
        "",
    ],
)
def test_other_text_is_unchanged(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "a-",
        "%25",
        "hooks/",
        "token",
        "://a:",
        "Bearer ",
        "cookie",
        "%2",
        "eyJ",
        "uvh_",
        "secret_",
        "'",
    ],
)
def test_redaction_takes_linear_time(piece: str) -> None:
    began = time.process_time()
    redact(piece * 20_000)
    assert time.process_time() - began < 5


def test_all_log_sources_are_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    secret = "uvh_" + secrets.token_urlsafe(32)
    gc.collect()  # garbage of earlier tests must not be reported between these entries
    log_config.configure()
    log_from_all_sources(secret)
    written = capsys.readouterr()
    assert secret not in written.err + written.out
    assert "0123abcd" not in written.err
    lines = written.err.splitlines()
    assert json.loads(lines[0])["path"] == "//hooks/uvh_…"
    assert [json.loads(line)["level"] for line in lines[:4]] == ["info", "error", "error", "error"]
    assert lines[-1] == "ValueError: POST //hooks/uvh_…"


def log_from_all_sources(secret: str) -> None:
    error = ValueError(f"POST //hooks/{secret}")
    log = structlog.get_logger()
    log.info(
        "request.answered",
        path=f"//hooks/{secret}",
        headers={"x-ion-signature": "0123abcd"},
        parts=[secret, 1],
    )
    try:
        raise error
    except ValueError:
        log.exception("request.failed", error=error)
    logging.getLogger("uvicorn.error").error(
        "Exception in ASGI application: %s", secret, exc_info=error
    )
    logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=error)
    sys.excepthook(ValueError, error, None)
