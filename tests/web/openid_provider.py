"""An OpenID Connect provider on a port of its own, which checks what a provider checks and lies where a test says so."""

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
    """Signs in `claims` without asking anybody."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.port = port
        self.claims: dict[str, Any] = {
            "sub": "7",
            "email": "Ada@Example.com",
            "email_verified": True,
        }
        self.lies: dict[str, Any] = {}
        self.discovery: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.codes: dict[str, dict[str, str]] = {}
        self.rotate("first")

    def rotate(self, name: str, *, published: bool = True) -> None:
        """Sign with another key from now on."""
        self.key, self.key_id = _new_key(), name
        if published:
            told = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
            self.keys = {"keys": [{**told, "kid": name, "use": "sig", "alg": "RS256"}]}

    def sign_in(self, address: str) -> str:
        """Do what somebody's browser does at the provider; gives where it is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.issuer}/authorize?")
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert asked["client_id"] == CLIENT_ID
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"{urlsplit(asked['redirect_uri']).path}?code={code}&state={asked['state']}"

    async def start(self) -> None:
        application = web.Application()
        application.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._discover),
                web.get("/keys", self._tell_keys),
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
        places = {
            "authorization_endpoint": "/authorize",
            "token_endpoint": "/token",
            "jwks_uri": "/keys",
        }
        told = {name: self.issuer + path for name, path in places.items()}
        return web.json_response({"issuer": self.issuer, **told, **self.discovery})

    async def _tell_keys(self, _request: web.Request) -> web.Response:
        return web.json_response(self.keys)

    async def _userinfo(self, request: web.Request) -> web.Response:
        assert request.headers["authorization"] == "Bearer access"
        return web.json_response({**self.claims, **self.discovery.get("told", {})})

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
            "a secret that both sides have, as long as it has to be"
            if self.algorithm == "HS256"
            else self.key
        )
        token = jwt.encode({**signed, **self.lies}, key, self.algorithm, {"kid": self.key_id})
        return web.json_response(
            {"id_token": token, "access_token": "access", "token_type": "Bearer"}
        )


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
