"""Client-credentials tokens, as the Keycloak in front of ION issues them."""

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, unquote_plus

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm
from jwt.types import Options

from ultraviolet.codecs import DECODE_ERRORS
from ultraviolet.errors import UnauthenticatedError

REALM_PATH = "/realms/api-keys"
TOKEN_PATH = f"{REALM_PATH}/protocol/openid-connect/token"
CERTS_PATH = f"{REALM_PATH}/protocol/openid-connect/certs"
DISCOVERY_PATH = f"{REALM_PATH}/.well-known/openid-configuration"
OLD_TOKEN_PATH = "/oauth/token"  # noqa: S105  an address, not a secret
"""The address of older scripts, from before Keycloak (seen); it also takes JSON."""
SCHEMES = ("bearer", "token")


class NoCredentialsError(UnauthenticatedError):
    """Please provide proper credentials"""  # noqa: D400  exactly ION's wording


class InvalidTokenError(UnauthenticatedError):
    """Unable to parse authentication token"""  # noqa: D400


class UnknownKeyError(UnauthenticatedError):
    """Unable to find appropriate RSA key"""  # noqa: D400


class ExpiredTokenError(UnauthenticatedError):
    """Token is expired."""


class Claims(msgspec.Struct, frozen=True):
    """The content of a token: the API key it was issued to, and the key's user."""

    client_id: str
    user_id: int


class Tokens:
    """Issues and verifies RS256 tokens."""

    def __init__(
        self,
        key: RSAPrivateKey,
        *,
        issuer: str,
        lifetime_seconds: int,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._key = key
        self._public = key.public_key()
        self._key_id = key_id(key)
        self._issuer = issuer
        self._clock = clock or (lambda: datetime.now(UTC))
        self.lifetime_seconds = lifetime_seconds

    @classmethod
    def from_data(
        cls,
        data: Path,
        *,
        issuer: str,
        lifetime_seconds: int,
        clock: Callable[[], datetime] | None = None,
    ) -> Self:
        """Use the signing key of the data directory; create it at the first start."""
        key = load_signing_key(data / "token-key.pem")
        return cls(key, issuer=issuer, lifetime_seconds=lifetime_seconds, clock=clock)

    def issue(self, claims: Claims, lifetime_seconds: float | None = None) -> str:
        """Return a token that is valid from now for the lifetime."""
        now = self._clock()
        lifetime = self.lifetime_seconds if lifetime_seconds is None else lifetime_seconds
        body = {
            "iss": self._issuer,
            "sub": str(claims.user_id),
            "azp": claims.client_id,
            "iat": now,
            "exp": now + timedelta(seconds=lifetime),
            "typ": "Bearer",
        }
        return jwt.encode(body, self._key, algorithm="RS256", headers={"kid": self._key_id})

    def read(self, authorization: str | None) -> Claims:
        """Return the claims of an Authorization header: a bare token, or after `Bearer` or `Token`.

        Raise NoCredentialsError, InvalidTokenError, UnknownKeyError or ExpiredTokenError.
        """
        token = bare_token(authorization)
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise InvalidTokenError(InvalidTokenError.__doc__) from error
        if header.get("kid") != self._key_id:
            raise UnknownKeyError(UnknownKeyError.__doc__)
        # The clock is injected, so this method checks the expiry instead of the library.
        options: Options = {
            "verify_exp": False,
            "verify_iat": False,
            "require": ["exp", "azp", "sub"],
        }
        try:
            body = jwt.decode(token, self._public, algorithms=["RS256"], options=options)
        except jwt.InvalidTokenError as error:
            raise InvalidTokenError(InvalidTokenError.__doc__) from error
        if self._clock().timestamp() >= body["exp"]:
            raise ExpiredTokenError(ExpiredTokenError.__doc__)
        return Claims(client_id=body["azp"], user_id=int(body["sub"]))

    def public_keys(self) -> dict[str, object]:
        """Return the keys that verify the tokens, as a JSON Web Key Set."""
        key: dict[str, object] = dict(RSAAlgorithm.to_jwk(self._public, as_dict=True))
        return {"keys": [{**key, "kid": self._key_id, "alg": "RS256", "use": "sig"}]}

    def discovery(self) -> dict[str, object]:
        """Return the OpenID configuration: the part of Keycloak's that API keys use (documented)."""
        base = self._issuer.removesuffix(REALM_PATH)
        return {
            "issuer": self._issuer,
            "token_endpoint": base + TOKEN_PATH,
            "jwks_uri": base + CERTS_PATH,
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["none"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }


def bare_token(authorization: str | None) -> str:
    """Return the token of an Authorization header; raise NoCredentialsError if it is missing."""
    if not authorization or not authorization.strip():
        raise NoCredentialsError(NoCredentialsError.__doc__)
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() not in SCHEMES:
        return authorization.strip()
    if not rest.strip():
        raise NoCredentialsError(NoCredentialsError.__doc__)
    return rest.strip()


class TokenRequest(msgspec.Struct, frozen=True):
    """The parameters of a token request."""

    grant_type: str
    client_id: str
    client_secret: str


def parse_token_request(headers: Mapping[str, str], body: bytes) -> TokenRequest:
    """Parse a token request; the client may also authenticate by HTTP Basic."""
    form = _parse_body(headers.get("content-type", ""), body)
    client_id, client_secret = _parse_basic(headers.get("authorization", ""))
    return TokenRequest(
        grant_type=form.get("grant_type", ""),
        client_id=client_id or form.get("client_id", ""),
        client_secret=client_secret or form.get("client_secret", ""),
    )


def token_response(token: str, lifetime_seconds: float) -> dict[str, object]:
    """Return the body of a successful token response, as Keycloak formats it."""
    return {
        "access_token": token,
        "expires_in": lifetime_seconds,
        "refresh_expires_in": 0,
        "token_type": "Bearer",
        "not-before-policy": 0,
        "scope": "email profile",
    }


def load_signing_key(path: Path) -> RSAPrivateKey:
    """Load the signing key, or create one that only this user can read."""
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, RSAPrivateKey)
        return key
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    return key


def key_id(key: RSAPrivateKey) -> str:
    """Return an id derived from the modulus, so that tokens of other installations differ."""
    modulus = key.public_key().public_numbers().n
    return base64.urlsafe_b64encode(modulus.to_bytes(256, "big")[:12]).decode()


def _parse_body(content_type: str, body: bytes) -> dict[str, str]:
    """Return the parameters of a form or of a JSON object; none of a malformed body."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        members = msgspec.json.decode(body, type=dict[str, object])
    except DECODE_ERRORS:
        return {}
    return {name: value for name, value in members.items() if isinstance(value, str)}


def _parse_basic(authorization: str) -> tuple[str, str]:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(user), unquote_plus(password)
