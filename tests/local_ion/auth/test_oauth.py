"""Tokens of the local ION and the documented messages for invalid ones."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from ultraviolet.errors import UnauthenticatedError
from ultraviolet.local_ion.auth.oauth import Claims, Tokens, load_signing_key, parse_token_request

CLAIMS = Claims(client_id="api-key-1", user_id=7)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> RSAPrivateKey:
    return load_signing_key(tmp_path_factory.mktemp("key") / "token-key.pem")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(key: RSAPrivateKey, clock: Clock) -> Tokens:
    return Tokens(key, issuer="http://localhost/realms/api-keys", lifetime_seconds=300, clock=clock)


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer ", "Token "])
def test_token_is_accepted_in_each_documented_form(tokens: Tokens, prefix: str) -> None:
    assert tokens.read(prefix + tokens.issue(CLAIMS)) == CLAIMS


def test_token_is_signed_with_rs256(tokens: Tokens) -> None:
    assert jwt.get_unverified_header(tokens.issue(CLAIMS))["alg"] == "RS256"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "Please provide proper credentials"),
        ("", "Please provide proper credentials"),
        ("Bearer ", "Please provide proper credentials"),
        ("nonsense", "Unable to parse authentication token"),
        ("Bearer a.b.c", "Unable to parse authentication token"),
    ],
)
def test_invalid_headers_return_the_documented_messages(
    tokens: Tokens, header: str | None, message: str
) -> None:
    with pytest.raises(UnauthenticatedError) as caught:
        tokens.read(header)
    assert str(caught.value) == message


def test_token_of_another_installation_is_rejected_as_unknown_key(
    tokens: Tokens, tmp_path: Path
) -> None:
    other = Tokens.from_data(tmp_path, issuer="elsewhere", lifetime_seconds=300)
    with pytest.raises(UnauthenticatedError, match=r"^Unable to find appropriate RSA key$"):
        tokens.read(other.issue(CLAIMS))


def test_tampered_token_is_rejected(tokens: Tokens) -> None:
    head, body, signature = tokens.issue(CLAIMS).split(".")
    forged = f"{head}.{body}.{signature[::-1]}"
    with pytest.raises(UnauthenticatedError, match=r"^Unable to parse authentication token$"):
        tokens.read(forged)


def test_token_expires(tokens: Tokens, clock: Clock) -> None:
    token = tokens.issue(CLAIMS)
    clock.now += timedelta(seconds=299)
    assert tokens.read(token) == CLAIMS
    clock.now += timedelta(seconds=1)
    with pytest.raises(UnauthenticatedError) as caught:
        tokens.read(token)
    assert str(caught.value) == "Token is expired."


def test_signing_key_is_persistent_and_private(tmp_path: Path) -> None:
    first = Tokens.from_data(tmp_path, issuer="here", lifetime_seconds=300)
    second = Tokens.from_data(tmp_path, issuer="here", lifetime_seconds=300)
    assert second.read(first.issue(CLAIMS)) == CLAIMS
    assert (tmp_path / "token-key.pem").stat().st_mode & 0o777 == 0o600


def test_client_authenticates_by_form_or_basic_authentication() -> None:
    form = parse_token_request(
        {}, b"grant_type=client_credentials&client_id=a&client_secret=b%2Bc&audience=x"
    )
    basic = parse_token_request(
        {"authorization": "Basic " + base64.b64encode(b"a:b%2Bc").decode()},
        b"grant_type=client_credentials",
    )
    assert form == basic
    assert (form.client_id, form.client_secret) == ("a", "b+c")
