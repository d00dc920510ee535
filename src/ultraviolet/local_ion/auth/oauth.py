"""Who may call the local ION: client-credentials tokens, as the Keycloak in front of ION issues them."""

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
from jwt.types import Options

from ultraviolet.errors import UnauthenticatedError

TOKEN_PATH = "/realms/api-keys/protocol/openid-connect/token"  # noqa: S105  an address, not a secret
SCHEMES = ("bearer", "token")


class NoCredentialsError(UnauthenticatedError):
    """Please provide proper credentials"""  # noqa: D400  ION's own words, exactly


class UnreadableTokenError(UnauthenticatedError):
    """Unable to parse authentication token"""  # noqa: D400


class UnknownKeyError(UnauthenticatedError):
    """Unable to find appropriate RSA key"""  # noqa: D400


class ExpiredTokenError(UnauthenticatedError):
    """Token is expired."""


class Claims(msgspec.Struct, frozen=True):
    """What a token says: which API key it was issued to, and the user that key acts for."""

    client_id: str
    user_id: int


class Tokens:
    """Issues RS256 tokens and reads them back."""

    def __init__(
        self, key: RSAPrivateKey, *, issuer: str, lifetime: int, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._key = key
        self._public = key.public_key()
        self._key_id = key_id(key)
        self._issuer = issuer
        self._clock = clock or (lambda: datetime.now(UTC))
        self.lifetime = lifetime

    @classmethod
    def from_data(
        cls, data: Path, *, issuer: str, lifetime: int, clock: Callable[[], datetime] | None = None
    ) -> Self:
        """Use the signing key kept in the data directory, made at the first start."""
        return cls(signing_key(data / "token-key.pem"), issuer=issuer, lifetime=lifetime, clock=clock)

    def issue(self, claims: Claims, lifetime: float | None = None) -> str:
        """Write a token that is valid from now on for the lifetime."""
        now = self._clock()
        body = {
            "iss": self._issuer,
            "sub": str(claims.user_id),
            "azp": claims.client_id,
            "iat": now,
            "exp": now + timedelta(seconds=self.lifetime if lifetime is None else lifetime),
            "typ": "Bearer",
        }
        return jwt.encode(body, self._key, algorithm="RS256", headers={"kid": self._key_id})

    def read(self, authorization: str | None) -> Claims:
        """Tell who sent this Authorization header: the token raw, or after `Bearer` or `Token`.

        Raises NoCredentialsError, UnreadableTokenError, UnknownKeyError or ExpiredTokenError.
        """
        token = bare_token(authorization)
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise UnreadableTokenError(UnreadableTokenError.__doc__) from error
        if header.get("kid") != self._key_id:
            raise UnknownKeyError(UnknownKeyError.__doc__)
        return self._verified(token)

    def _verified(self, token: str) -> Claims:
        # The clock is injected, so expiry is judged here and not by the library.
        options: Options = {"verify_exp": False, "verify_iat": False, "require": ["exp", "azp", "sub"]}
        try:
            body = jwt.decode(token, self._public, algorithms=["RS256"], options=options)
        except jwt.InvalidTokenError as error:
            raise UnreadableTokenError(UnreadableTokenError.__doc__) from error
        if self._clock().timestamp() >= body["exp"]:
            raise ExpiredTokenError(ExpiredTokenError.__doc__)
        return Claims(client_id=body["azp"], user_id=int(body["sub"]))


def bare_token(authorization: str | None) -> str:
    """Take the token out of an Authorization header; raises NoCredentialsError when there is none."""
    if not authorization or not authorization.strip():
        raise NoCredentialsError(NoCredentialsError.__doc__)
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() not in SCHEMES:
        return authorization.strip()
    if not rest.strip():
        raise NoCredentialsError(NoCredentialsError.__doc__)
    return rest.strip()


class TokenRequest(msgspec.Struct, frozen=True):
    """A token request as it came over the wire."""

    grant_type: str
    client_id: str
    client_secret: str


def token_request(headers: Mapping[str, str], body: bytes) -> TokenRequest:
    """Read a client-credentials request: fields of the form, or the client in HTTP Basic authentication."""
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    client_id, client_secret = _basic(headers.get("authorization", ""))
    return TokenRequest(
        grant_type=form.get("grant_type", ""),
        client_id=client_id or form.get("client_id", ""),
        client_secret=client_secret or form.get("client_secret", ""),
    )


def token_answer(token: str, lifetime: float) -> dict[str, object]:
    """Give the body of a successful token request, as Keycloak writes it."""
    return {
        "access_token": token,
        "expires_in": lifetime,
        "refresh_expires_in": 0,
        "token_type": "Bearer",
        "not-before-policy": 0,
        "scope": "email profile",
    }


def signing_key(path: Path) -> RSAPrivateKey:
    """Load the key tokens are signed with, or make one that only this user may read."""
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
    """Name a key by its modulus, so that tokens of another installation are told apart."""
    modulus = key.public_key().public_numbers().n
    return base64.urlsafe_b64encode(modulus.to_bytes(256, "big")[:12]).decode()


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(user), unquote_plus(password)
