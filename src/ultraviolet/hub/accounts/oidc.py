"""OpenID Connect: has a provider tell who somebody is (authorization code flow with PKCE, state and nonce)."""

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import quote, urlencode

import aiohttp
import jwt
import msgspec

from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.ion import answers
from ultraviolet.outgoing import MAX_SMALL_ANSWER_BYTES, AnswerTooLargeError, get_proxy, read_body

SCOPE = "openid email profile"
LEEWAY_SECONDS = 60
"""Seconds by which the clocks of provider and hub may differ."""
ATTEMPT_LIFETIME_SECONDS = 600
"""Seconds someone has to sign in at the provider."""
_KEEP = 3600.0
_ASK_AGAIN = 5.0
"""Seconds between two looks at the provider's keys, however many unknown ones are named."""
_TIME_OUT = aiohttp.ClientTimeout(total=15, connect=5)
_ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
"""What a token may be signed with, by the kind of key; never a secret that both sides have, never nothing."""
_TAMPERED = (
    "The answer of the provider does not belong to this sign-in. Begin again from the sign-in page."
)


class ProviderUnreachableError(UltravioletError):
    """The single sign-on provider does not answer; sign in another way, or try again later."""

    kind = "provider-unreachable"
    status = 502
    exit_code = 7


class SignInRefusedError(UltravioletError):
    """The single sign-on provider signed you in, but this hub does not let you in; ask an administrator."""

    kind = "sign-in-refused"
    status = 403
    exit_code = 3


class OidcClient(msgspec.Struct, frozen=True):
    """How a provider knows this hub."""

    issuer: str
    id: str
    secret: str | None
    roles_claim: str = "groups"

    def __repr__(self) -> str:
        """Keep the secret out of tracebacks and logs."""
        return f"Client({self.issuer}, {self.id})"


class SignInAttempt(msgspec.Struct, frozen=True):
    """What a browser must bring back to show that it is the one that began."""

    state: str
    nonce: str
    verifier: str
    goal: str
    began: float


class ProviderIdentity(msgspec.Struct, frozen=True):
    """Who somebody is, as the provider says; its e-mail address is verified."""

    issuer: str
    subject: str
    email: str
    groups: tuple[str, ...]


class _Discovered(msgspec.Struct, frozen=True):
    """What a provider says of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str = ""


class Provider:
    """One provider, asked over a session that checks where it goes."""

    def __init__(
        self,
        client: OidcClient,
        session: Callable[[], aiohttp.ClientSession],
        check: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.client = client
        self._session = session
        self._check = check
        self._clock = clock
        self._discovered: tuple[_Discovered, float] | None = None
        self._keys: tuple[jwt.PyJWKSet, float] | None = None

    async def begin(self, redirect_uri: str, goal: str) -> tuple[str, SignInAttempt]:
        """Return the address at which somebody signs in, and what their browser must bring back."""
        found = await self._discover()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = (
            urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        )
        asked = {"response_type": "code", "client_id": self.client.id, "redirect_uri": redirect_uri}
        asked |= {"scope": SCOPE, "state": state, "nonce": nonce}
        asked |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        joint = "&" if "?" in found.authorization_endpoint else "?"
        address = f"{found.authorization_endpoint}{joint}{urlencode(asked)}"
        return address, SignInAttempt(state, nonce, verifier, goal, self._clock())

    async def finish(
        self, redirect_uri: str, attempt: SignInAttempt | None, answer: Mapping[str, str]
    ) -> ProviderIdentity:
        """Trade the provider's answer for who somebody is; raises SignInRefusedError where anything is amiss."""
        sent = answer.get("state", "")
        if attempt is None or not secrets.compare_digest(sent.encode(), attempt.state.encode()):
            raise SignInRefusedError(_TAMPERED)
        if self._clock() - attempt.began > ATTEMPT_LIFETIME_SECONDS:
            raise SignInRefusedError(
                "That took longer than ten minutes. Begin again from the sign-in page."
            )
        if "error" in answer:
            said = answer.get("error_description") or answer["error"]
            raise SignInRefusedError(f"The provider did not sign you in: {said[:200]}")
        found = await self._discover()
        told = answer.get("iss")
        if told != found.issuer and (told or found.authorization_response_iss_parameter_supported):
            raise SignInRefusedError(_TAMPERED)
        tokens = await self._exchange(found, redirect_uri, attempt, answer.get("code", ""))
        claims = await self._verified(found, tokens.id_token)
        if not secrets.compare_digest(
            str(claims.get("nonce", "")).encode(), attempt.nonce.encode()
        ):
            raise SignInRefusedError(_TAMPERED)
        if (
            found.userinfo_endpoint
            and not {"email", "email_verified", self.client.roles_claim} <= claims.keys()
        ):
            claims = await self._more(found.userinfo_endpoint, tokens.access_token, claims)
        return self._identity(claims)

    async def _discover(self) -> _Discovered:
        if self._discovered and self._clock() - self._discovered[1] < _KEEP:
            return self._discovered[0]
        address = f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = self._read(await self._ask("GET", address), _Discovered)
        if found.issuer.rstrip("/") != self.client.issuer.rstrip("/"):
            raise SignInRefusedError(
                f"{self.client.issuer} calls itself {found.issuer[:200]}; set ULTRAVIOLET_OIDC_ISSUER to that"
            )
        try:
            self._check(found.authorization_endpoint)
        except OSError as error:
            raise ProviderUnreachableError(str(error)) from error
        self._discovered = found, self._clock()
        return found

    async def _exchange(
        self, found: _Discovered, redirect_uri: str, attempt: SignInAttempt, code: str
    ) -> _Tokens:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        form |= {"code_verifier": attempt.verifier}
        headers: dict[str, str] = {}
        if (
            self.client.secret
            and "client_secret_basic" in found.token_endpoint_auth_methods_supported
        ):
            headers["authorization"] = aiohttp.encode_basic_auth(
                quote(self.client.id, safe=""), quote(self.client.secret, safe="")
            )
        else:
            form |= {"client_id": self.client.id}
            form |= {"client_secret": self.client.secret} if self.client.secret else {}
        return self._read(
            await self._ask("POST", found.token_endpoint, data=form, headers=headers), _Tokens
        )

    async def _verified(self, found: _Discovered, token: str) -> dict[str, Any]:
        """Check signature, issuer, audience and times of an ID token."""
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(found, header)
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[header["alg"]],
                audience=self.client.id,
                issuer=found.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub", "nonce"]},
            )
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError) as error:
            raise SignInRefusedError(self._skew(token)) from error
        except jwt.PyJWTError as error:
            raise SignInRefusedError(
                f"What the provider said cannot be trusted: {error}"
            ) from error
        audience = claims["aud"]
        several = isinstance(audience, list) and len(cast("list[Any]", audience)) > 1
        if claims.get("azp", None if several else self.client.id) != self.client.id:
            raise SignInRefusedError(
                "What the provider said cannot be trusted: it is meant for another client"
            )
        return claims

    async def _key(self, found: _Discovered, header: Mapping[str, Any]) -> jwt.PyJWK:
        """Return the provider's key that a token names; one that is new to the hub is asked for."""
        for fresh in (False, True):
            keys = await self._known_keys(found, fresh=fresh)
            fitting = [
                key
                for key in keys.keys
                if key.public_key_use in (None, "sig")
                and header.get("alg") in _ALGORITHMS.get(key.key_type or "", ())
                and header.get("kid") in (None, key.key_id)
            ]
            if len(fitting) == 1:
                return fitting[0]
        raise jwt.InvalidKeyError("it is signed with a key that the provider does not publish")

    async def _known_keys(self, found: _Discovered, *, fresh: bool) -> jwt.PyJWKSet:
        age = self._clock() - self._keys[1] if self._keys else _KEEP
        if self._keys is None or age >= _KEEP or (fresh and age >= _ASK_AGAIN):
            told: dict[str, Any] = self._read(await self._ask("GET", found.jwks_uri), dict)
            self._keys = jwt.PyJWKSet.from_dict(told), self._clock()
        return self._keys[0]

    async def _more(
        self, address: str, access_token: str, claims: dict[str, Any]
    ) -> dict[str, Any]:
        """Add what the provider tells only when asked; what is signed counts more."""
        headers = {"authorization": f"Bearer {access_token}"}
        told: dict[str, Any] = self._read(await self._ask("GET", address, headers=headers), dict)
        if told.get("sub") != claims["sub"]:
            raise SignInRefusedError(_TAMPERED)
        return {**told, **claims}

    def _identity(self, claims: dict[str, Any]) -> ProviderIdentity:
        email = claims.get("email")
        if not isinstance(email, str) or "@" not in email:
            raise SignInRefusedError(
                "The provider tells no e-mail address of yours; it has to give the claim email"
            )
        if claims.get("email_verified") not in (True, "true"):
            raise SignInRefusedError(
                f"The provider has not verified {email}; verify it there, then sign in again"
            )
        groups = _groups(claims, self.client.roles_claim)
        return ProviderIdentity(
            self.client.issuer, str(claims["sub"]), email.strip().casefold(), groups
        )

    def _skew(self, token: str) -> str:
        said: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        issued = said.get("iat")
        away = abs(round(self._clock() - issued)) if isinstance(issued, int | float) else 0
        if away > LEEWAY_SECONDS:
            return f"The clocks of the provider and of this hub differ by about {away} s; set them right, then sign in again"
        return "What the provider said is not valid any more. Begin again from the sign-in page."

    async def _ask(self, method: str, address: str, **more: Any) -> bytes:
        """Send one request; redirects are not followed, and no answer is read without end."""
        try:
            async with self._session().request(
                method,
                address,
                allow_redirects=False,
                timeout=_TIME_OUT,
                proxy=get_proxy(address),
                **more,
            ) as response:
                body = await read_body(response, MAX_SMALL_ANSWER_BYTES)
                status = response.status
        except (
            aiohttp.ClientError,
            AnswerTooLargeError,
            InvalidError,
            TimeoutError,
            ValueError,
        ) as error:
            why = str(error) or type(error).__name__
            raise ProviderUnreachableError(
                f"{self.client.issuer} does not answer: {why}"
            ) from error
        if status >= 500:  # noqa: PLR2004
            raise ProviderUnreachableError(
                f"{self.client.issuer} answered {status}; try again later"
            )
        if status != 200:  # noqa: PLR2004
            raise SignInRefusedError(f"The provider refused this hub: {_said(status, body)}")
        return body

    def _read(self, body: bytes, kind: type[Any]) -> Any:
        try:
            return msgspec.convert(answers.decode(body).value, type=kind)
        except (msgspec.ValidationError, ValueError) as error:
            raise SignInRefusedError(
                f"{self.client.issuer} does not speak OpenID Connect: {error}"
            ) from error


def _groups(claims: dict[str, Any], path: str) -> tuple[str, ...]:
    """Read a claim by its name, or by the names that lead to it, such as `realm_access.roles`."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for name in path.split("."):
            found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
    if isinstance(found, str):
        return (found,)
    return tuple(str(one) for one in cast("list[Any]", found)) if isinstance(found, list) else ()


def _said(status: int, body: bytes) -> str:
    try:
        told = msgspec.convert(answers.decode(body).value, type=dict[str, Any])
    except (msgspec.ValidationError, ValueError):
        return f"it answered {status}"
    return str(told.get("error_description") or told.get("error") or f"it answered {status}")[:200]
