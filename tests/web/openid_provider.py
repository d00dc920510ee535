"""An OpenID Connect provider for tests, which validates requests and can send false claims."""

import base64
import hashlib
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "the hub", "marked secret: of the client"


class OpenIdProvider:
    """Signs in the user of `claims` without a prompt."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.port = port
        self.claims: dict[str, Any] = {
            "sub": "7",
            "email": "Ada@Example.com",
            "email_verified": True,
        }
        self.false_claims: dict[str, Any] = {}
        self.discovery: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.codes: dict[str, dict[str, str]] = {}
        self.rotate("first")

    def rotate(self, name: str, *, published: bool = True) -> None:
        """Sign with another key from now on."""
        self.key, self.key_id = _new_key(), name
        if published:
            public_key = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
            self.keys = {"keys": [{**public_key, "kid": name, "use": "sig", "alg": "RS256"}]}

    def sign_in(self, address: str) -> str:
        """Follow the authorization request as a browser does; return the callback address."""
        parameters = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.issuer}/authorize?")
        assert (parameters["response_type"], parameters["code_challenge_method"]) == (
            "code",
            "S256",
        )
        assert parameters["client_id"] == CLIENT_ID
        code = f"code-{len(self.codes)}"
        self.codes[code] = parameters
        return (
            f"{urlsplit(parameters['redirect_uri']).path}?code={code}&state={parameters['state']}"
        )

    async def start(self) -> None:
        application = web.Application()
        application.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._discover),
                web.get("/keys", self._send_keys),
                web.post("/token", self._token),
                web.get("/userinfo", self._userinfo),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _discover(self, _request: web.Request) -> web.Response:
        paths = {
            "authorization_endpoint": "/authorize",
            "token_endpoint": "/token",
            "jwks_uri": "/keys",
        }
        endpoints = {name: self.issuer + path for name, path in paths.items()}
        return web.json_response({"issuer": self.issuer, **endpoints, **self.discovery})

    async def _send_keys(self, _request: web.Request) -> web.Response:
        return web.json_response(self.keys)

    async def _userinfo(self, request: web.Request) -> web.Response:
        assert request.headers["authorization"] == "Bearer access"
        return web.json_response({**self.claims, **self.discovery.get("userinfo_claims", {})})

    async def _token(self, request: web.Request) -> web.Response:
        sent = await request.post()
        asked = self.codes.pop(str(sent["code"]), None)
        basic = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        verified = base64.urlsafe_b64encode(
            hashlib.sha256(str(sent["code_verifier"]).encode()).digest()
        )
        good = asked is not None and (
            basic == "the%20hub:marked%20secret%3A%20of%20the%20client"
            and verified.decode().rstrip("=") == asked["code_challenge"]
            and sent["redirect_uri"] == asked["redirect_uri"]
        )
        if not good or asked is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
        }
        signed = {
            **claims,
            **({"sub": "7"} if "userinfo_endpoint" in self.discovery else self.claims),
        }
        key = (
            "a shared secret of at least thirty-two bytes"
            if self.algorithm == "HS256"
            else self.key
        )
        token = jwt.encode(
            {**signed, **self.false_claims}, key, self.algorithm, {"kid": self.key_id}
        )
        return web.json_response(
            {"id_token": token, "access_token": "access", "token_type": "Bearer"}
        )


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
