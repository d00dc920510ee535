"""OpenID Connect sign-in: authorization code flow with PKCE, state and nonce."""

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

from ultraviolet.connection_errors import connection_problem
from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.ion import answers
from ultraviolet.outgoing import MAX_SMALL_ANSWER_BYTES, AnswerTooLargeError, get_proxy, read_body

SCOPE = "openid email profile"
LEEWAY_SECONDS = 60
"""Allowed difference between the clocks of provider and hub."""
ATTEMPT_LIFETIME_SECONDS = 600
"""Time to sign in at the provider."""
_CACHE_SECONDS = 3600.0
_MIN_KEY_RELOAD_SECONDS = 5.0
"""Minimum time between two reads of the provider's keys because of unknown key ids."""
_MAX_MESSAGE_CHARACTERS = 200
_TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5)
_ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
"""Accepted signature algorithms by key type: no shared secrets, no unsigned tokens."""
_TAMPERED = (
    "The provider's response does not belong to this sign-in. Start again from the sign-in page."
)


class ProviderUnreachableError(UltravioletError):
    """The single sign-on provider does not respond; use another sign-in, or try again later."""

    kind = "provider-unreachable"
    status = 502
    exit_code = 7


class SignInRefusedError(UltravioletError):
    """This hub refused the single sign-on; ask an administrator for access."""

    kind = "sign-in-refused"
    status = 403
    exit_code = 3


class OidcClient(msgspec.Struct, frozen=True):
    """This hub as a client of a provider."""

    issuer: str
    id: str
    secret: str | None
    roles_claim: str = "groups"

    def __repr__(self) -> str:
        """Keep the secret out of tracebacks and logs."""
        return f"OidcClient({self.issuer}, {self.id})"


class SignInAttempt(msgspec.Struct, frozen=True):
    """The state of a sign-in, stored in a cookie of the browser that started it."""

    state: str
    nonce: str
    verifier: str
    next_page: str
    started_at: float


class ProviderIdentity(msgspec.Struct, frozen=True):
    """A user according to the provider, with a verified e-mail address."""

    issuer: str
    subject: str
    email: str
    groups: tuple[str, ...]


class _ProviderMetadata(msgspec.Struct, frozen=True):
    """The provider's discovery document."""

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
    """An OpenID Connect provider, called through a session with an egress policy."""

    def __init__(
        self,
        client: OidcClient,
        session: Callable[[], aiohttp.ClientSession],
        check: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.client = client
        self._session = session
        self._check_url = check
        self._clock = clock
        self._metadata: tuple[_ProviderMetadata, float] | None = None
        self._keys: tuple[jwt.PyJWKSet, float] | None = None

    async def begin(self, redirect_uri: str, next_page: str) -> tuple[str, SignInAttempt]:
        """Return the URL to sign in at the provider, and the state for the browser's cookie."""
        metadata = await self._discover()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = (
            urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        )
        query = {"response_type": "code", "client_id": self.client.id, "redirect_uri": redirect_uri}
        query |= {"scope": SCOPE, "state": state, "nonce": nonce}
        query |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        separator = "&" if "?" in metadata.authorization_endpoint else "?"
        url = f"{metadata.authorization_endpoint}{separator}{urlencode(query)}"
        return url, SignInAttempt(state, nonce, verifier, next_page, self._clock())

    async def finish(
        self, redirect_uri: str, attempt: SignInAttempt | None, response: Mapping[str, str]
    ) -> ProviderIdentity:
        """Exchange the provider's response for the user's identity; raise SignInRefusedError."""
        state = response.get("state", "")
        if attempt is None or not secrets.compare_digest(state.encode(), attempt.state.encode()):
            raise SignInRefusedError(_TAMPERED)
        if self._clock() - attempt.started_at > ATTEMPT_LIFETIME_SECONDS:
            raise SignInRefusedError(
                "The sign-in took longer than ten minutes. Start again from the sign-in page."
            )
        if "error" in response:
            reason = response.get("error_description") or response["error"]
            raise SignInRefusedError(
                f"The provider did not sign you in: {reason[:_MAX_MESSAGE_CHARACTERS]}"
            )
        metadata = await self._discover()
        issuer = response.get("iss")
        if issuer != metadata.issuer and (
            issuer or metadata.authorization_response_iss_parameter_supported
        ):
            raise SignInRefusedError(_TAMPERED)
        tokens = await self._exchange(metadata, redirect_uri, attempt, response.get("code", ""))
        claims = await self._verify_id_token(metadata, tokens.id_token)
        if not secrets.compare_digest(
            str(claims.get("nonce", "")).encode(), attempt.nonce.encode()
        ):
            raise SignInRefusedError(_TAMPERED)
        if (
            metadata.userinfo_endpoint
            and not {"email", "email_verified", self.client.roles_claim} <= claims.keys()
        ):
            headers = {"authorization": f"Bearer {tokens.access_token}"}
            body = await self._request("GET", metadata.userinfo_endpoint, headers=headers)
            userinfo: dict[str, Any] = self._parse(body, dict)
            if userinfo.get("sub") != claims["sub"]:
                raise SignInRefusedError(_TAMPERED)
            claims = {**userinfo, **claims}  # signed claims take precedence
        return self._parse_identity(claims)

    async def _discover(self) -> _ProviderMetadata:
        if self._metadata and self._clock() - self._metadata[1] < _CACHE_SECONDS:
            return self._metadata[0]
        url = f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration"
        metadata = self._parse(await self._request("GET", url), _ProviderMetadata)
        if metadata.issuer.rstrip("/") != self.client.issuer.rstrip("/"):
            raise SignInRefusedError(
                f"{self.client.issuer} calls itself {metadata.issuer[:_MAX_MESSAGE_CHARACTERS]};"
                " set ULTRAVIOLET_OIDC_ISSUER to that"
            )
        try:
            self._check_url(metadata.authorization_endpoint)
        except OSError as error:
            raise ProviderUnreachableError(str(error)) from error
        self._metadata = metadata, self._clock()
        return metadata

    async def _exchange(
        self, metadata: _ProviderMetadata, redirect_uri: str, attempt: SignInAttempt, code: str
    ) -> _Tokens:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        form |= {"code_verifier": attempt.verifier}
        headers: dict[str, str] = {}
        if (
            self.client.secret
            and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported
        ):
            headers["authorization"] = aiohttp.encode_basic_auth(
                quote(self.client.id, safe=""), quote(self.client.secret, safe="")
            )
        else:
            form |= {"client_id": self.client.id}
            form |= {"client_secret": self.client.secret} if self.client.secret else {}
        body = await self._request("POST", metadata.token_endpoint, data=form, headers=headers)
        return self._parse(body, _Tokens)

    async def _verify_id_token(self, metadata: _ProviderMetadata, token: str) -> dict[str, Any]:
        """Check the signature, issuer, audience and times of an ID token; return its claims."""
        try:
            header = jwt.get_unverified_header(token)
            key = await self._find_key(metadata, header)
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[header["alg"]],
                audience=self.client.id,
                issuer=metadata.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub", "nonce"]},
            )
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError) as error:
            unverified: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
            issued_at = unverified.get("iat")
            is_number = isinstance(issued_at, int | float)
            skew = abs(round(self._clock() - issued_at)) if is_number else 0
            if skew > LEEWAY_SECONDS:
                raise SignInRefusedError(
                    f"The clocks of the provider and of this hub differ by about {skew} s;"
                    " correct them, then sign in again"
                ) from error
            raise SignInRefusedError(
                "The provider's token has expired. Start again from the sign-in page."
            ) from error
        except jwt.PyJWTError as error:
            raise SignInRefusedError(f"The provider's token cannot be trusted: {error}") from error
        audience = claims["aud"]
        several = isinstance(audience, list) and len(cast("list[Any]", audience)) > 1
        if claims.get("azp", None if several else self.client.id) != self.client.id:
            raise SignInRefusedError(
                "The provider's token cannot be trusted: it is meant for another client"
            )
        return claims

    async def _find_key(self, metadata: _ProviderMetadata, header: Mapping[str, Any]) -> jwt.PyJWK:
        """Return the provider's key of a token; reload the keys once if it is unknown."""
        for reload in (False, True):
            age = self._clock() - self._keys[1] if self._keys else _CACHE_SECONDS
            max_age = _MIN_KEY_RELOAD_SECONDS if reload else _CACHE_SECONDS
            if self._keys is None or age >= max_age:
                body = await self._request("GET", metadata.jwks_uri)
                jwks: dict[str, Any] = self._parse(body, dict)
                self._keys = jwt.PyJWKSet.from_dict(jwks), self._clock()
            matching = [
                key
                for key in self._keys[0].keys
                if key.public_key_use in (None, "sig")
                and header.get("alg") in _ALGORITHMS.get(key.key_type or "", ())
                and header.get("kid") in (None, key.key_id)
            ]
            if len(matching) == 1:
                return matching[0]
        raise jwt.InvalidKeyError("it is signed with a key that the provider does not publish")

    def _parse_identity(self, claims: dict[str, Any]) -> ProviderIdentity:
        email = claims.get("email")
        if not isinstance(email, str) or "@" not in email:
            raise SignInRefusedError(
                "The provider did not send your e-mail address; it must send the claim email"
            )
        if claims.get("email_verified") not in (True, "true"):
            raise SignInRefusedError(
                f"The provider has not verified {email}; verify it there, then sign in again"
            )
        # The claim of the groups is given as a name or a path such as `realm_access.roles`.
        found: Any = claims.get(self.client.roles_claim)
        if found is None:
            found = claims
            for name in self.client.roles_claim.split("."):
                found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
        listed = [found] if isinstance(found, str) else found
        groups = tuple(map(str, cast("list[Any]", listed))) if isinstance(listed, list) else ()
        return ProviderIdentity(
            self.client.issuer, str(claims["sub"]), email.strip().casefold(), groups
        )

    async def _request(self, method: str, url: str, **options: Any) -> bytes:
        """Return the body of a response, limited in size; do not follow redirects."""
        try:
            async with self._session().request(
                method,
                url,
                allow_redirects=False,
                timeout=_TIMEOUT,
                proxy=get_proxy(url),
                **options,
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
            raise ProviderUnreachableError(
                f"{self.client.issuer} does not respond: {connection_problem(error)}"
            ) from error
        if status >= 500:  # noqa: PLR2004
            raise ProviderUnreachableError(
                f"{self.client.issuer} answered {status}; try again later"
            )
        if status != 200:  # noqa: PLR2004
            try:
                problem = msgspec.convert(answers.decode(body).value, type=dict[str, Any])
            except (msgspec.ValidationError, ValueError):
                problem = {}
            reason = problem.get("error_description") or problem.get("error")
            shown = str(reason or f"it answered {status}")[:_MAX_MESSAGE_CHARACTERS]
            raise SignInRefusedError(f"The provider refused this hub: {shown}")
        return body

    def _parse(self, body: bytes, kind: type[Any]) -> Any:
        try:
            return msgspec.convert(answers.decode(body).value, type=kind)
        except (msgspec.ValidationError, ValueError) as error:
            raise SignInRefusedError(
                f"Invalid OpenID Connect response of {self.client.issuer}: {error}"
            ) from error
