"""Single sign-on over HTTP with a provider: users, roles and every refusal."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from tests.web.conftest import ADMIN_KEY, Edge
from tests.web.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider

from ultraviolet.child_process import free_port
from ultraviolet.errors import InvalidError
from ultraviolet.hub.accounts import api_keys, passwords
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub

ROLES = "staff=viewer, operations = operator,cn=admins,ou=it=admin"


class Sso:
    """A hub and its provider."""

    def __init__(self, edge: Edge, provider: OpenIdProvider) -> None:
        self.edge = edge
        self.provider = provider

    def begin(self) -> str:
        """Go from the sign-in page to the provider."""
        answer = self.edge.send("GET", "/sign-in/provider?next_page=/events")
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def sign_in(self, **claims: Any) -> Any:
        """Sign in as a user with these claims; return the response to the callback."""
        self.provider.claims |= claims
        there = self.begin()
        return self.edge.send("GET", self.provider.sign_in(there))


@pytest.fixture
def sso(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Sso]:
    public_url = getattr(request, "param", "http://hub.test")
    provider = OpenIdProvider(free_port())
    environment = {
        "ULTRAVIOLET_OIDC_ISSUER": provider.issuer,
        "ULTRAVIOLET_OIDC_CLIENT_ID": CLIENT_ID,
        "ULTRAVIOLET_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "ULTRAVIOLET_OIDC_NAME": "Okta",
        "ULTRAVIOLET_OIDC_ROLES": ROLES,
        "ULTRAVIOLET_OIDC_DOMAINS": "example.com, Example.org",
        "ULTRAVIOLET_ALLOWED_TARGETS": "127.0.0.0/8",
    }
    settings = Settings.from_environment(
        data=tmp_path, public_url=public_url, environment=environment
    )
    hub = Hub.open(settings)
    hub.database.write_now(api_keys.set_key, "test", "admin", ADMIN_KEY)
    edge = Edge(hub)
    edge.runner.run(provider.start())
    provider.claims["groups"] = ["staff", "elsewhere"]
    yield Sso(edge, provider)
    edge.runner.run(provider.stop())
    edge.close()


@pytest.mark.parametrize("sso", ["http://hub.test/uv"], indirect=True)
def test_sign_in_returns_below_the_path_prefix(sso: Sso) -> None:
    page = sso.edge.send("GET", "/uv/sign-in?next_page=/events").text
    assert 'href="/uv/sign-in/provider?next_page=' in page
    there = sso.edge.send("GET", "/uv/sign-in/provider?next_page=/events").headers["location"]
    back = sso.provider.sign_in(there)
    assert back.startswith("/uv/sign-in/provider/back?")
    answer = sso.edge.send("GET", back)
    assert (303, "/uv/events") == (answer.status_code, answer.headers["location"])
    assert {"/uv"} == {cookie.path for cookie in sso.edge.client.cookies.jar}


def test_new_user_gets_the_role_of_their_groups(sso: Sso) -> None:
    assert "Sign in with Okta" in sso.edge.send("GET", "/sign-in").text
    answer = sso.sign_in(groups=["staff", "operations"])
    assert (answer.status_code, answer.headers["location"]) == (303, "/events")
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "ultraviolet_attempt" not in sso.edge.client.cookies
    page = sso.edge.send("GET", "/account").text
    assert "signed in as ada@example.com, operator" in page
    assert "<td>provider</td>" in page

    assert sso.sign_in(groups=["cn=admins,ou=it"], email="new@example.com").status_code == 303
    (user,) = [one for one in sso.edge.get("/users")["items"] if one["issuer"]]
    assert (user["name"], user["role"]) == ("ada@example.com", "admin"), (
        "known by subject, not by address"
    )
    actions = [(one["actor"], one["action"]) for one in sso.edge.get("/audit")["items"]]
    assert actions == [
        ("ada@example.com", "session.end"),
        ("ada@example.com", "session.begin"),
        ("provider", "user.set_role"),
        ("ada@example.com", "session.begin"),
        ("provider", "user.create"),
    ]


def test_user_of_the_provider_has_no_password(sso: Sso) -> None:
    sso.edge.api("POST", "/users", {"name": "ada", "role": "viewer"})
    password = {"password": "correct horse"}
    assert sso.edge.api("PATCH", "/users/ada/password", password).status_code == 204
    sso.edge.api("PATCH", "/users/ada/sso", {"email": "ada@example.com"})

    def check(connection: Connection) -> int | None:
        return passwords.check_password(connection, "ada", "correct horse")

    assert sso.edge.hub.database.read_now(check)
    assert sso.sign_in().status_code == 303
    assert not sso.edge.hub.database.read_now(check), "the previous password is no longer valid"
    assert "/account/password" not in sso.edge.send("GET", "/account").text
    refused = sso.edge.submit("/account/password", **password, repeated=password["password"])
    assert (refused.status_code, "signs in with" in refused.text) == (409, True)
    assert sso.edge.api("PATCH", "/users/ada/password", password).status_code == 409


def test_user_without_groups_is_signed_out_at_the_next_sign_in(sso: Sso) -> None:
    assert sso.sign_in().status_code == 303
    refused = sso.sign_in(groups=["elsewhere"])
    assert refused.status_code == 403
    assert "is not in any group with access" in refused.text
    assert sso.edge.send("GET", "/account").status_code == 303


REFUSED = (
    ({"groups": []}, "not in any group"),
    ({"email_verified": False}, "has not verified Ada@Example.com"),
    ({"email_verified": None}, "has not verified"),
    ({"email": None}, "did not send your e-mail address"),
    ({"email": "ada@example.net"}, "is not in an allowed domain"),
    ({"email": "ada@example.com.evil.net"}, "is not in an allowed domain"),
)


def test_refused_sign_in_states_the_reason(sso: Sso) -> None:
    usual = dict(sso.provider.claims)
    for claims, said in REFUSED:
        refused = sso.sign_in(**{**usual, **claims})
        assert (refused.status_code, said in refused.text) == (403, True), claims
    assert sso.edge.get("/users")["items"] == []


def test_existing_user_is_linked_only_by_an_administrator(sso: Sso) -> None:
    sso.edge.api("POST", "/users", {"name": "ada@example.com", "role": "admin"})
    sso.edge.api("POST", "/users", {"name": "ada", "role": "viewer"})
    refused = sso.sign_in()
    assert refused.status_code == 403
    assert "There is already a user named ada@example.com" in refused.text

    tied = sso.edge.api("PATCH", "/users/ada/sso", {"email": "ADA@example.com"})
    assert tied.json()["provider_email"] == "ada@example.com"
    assert sso.sign_in().status_code == 303
    assert "signed in as ada, viewer" in sso.edge.send("GET", "/account").text
    assert sso.sign_in(sub="8").status_code == 403, (
        "another subject with the same address is another user"
    )
    assert sso.edge.api("PATCH", "/users/ada/sso", {"email": None}).json()["issuer"] is None
    assert sso.edge.send("GET", "/account").status_code == 303


def lies(now: int) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield false claims of a token created now, and the expected message."""
    yield {"nonce": "another"}, "does not belong to this sign-in"
    yield {"iss": "https://evil.example"}, "cannot be trusted"
    yield {"aud": "another client"}, "cannot be trusted"
    yield {"aud": [CLIENT_ID, "another client"]}, "meant for another client"
    yield {"azp": "another client"}, "meant for another client"
    yield {"exp": now - 600}, "has expired"
    yield {"iat": now + 3600, "exp": now + 7200}, "differ by about 3"
    yield {"iat": now - 3600, "exp": now - 3300}, "differ by about 3"


def test_token_with_invalid_claims_is_refused(sso: Sso) -> None:
    for lie, said in lies(int(time.time())):
        sso.provider.false_claims = lie
        refused = sso.sign_in()
        assert (refused.status_code, said in refused.text) == (403, True), lie
    assert sso.edge.get("/users")["items"] == []


def test_rotated_key_is_loaded_and_an_unpublished_key_refused(sso: Sso) -> None:
    provider = sso.edge.hub.provider
    assert provider
    assert sso.sign_in().status_code == 303
    provider._clock = lambda: time.time() + 30
    sso.provider.rotate("second")
    assert sso.sign_in().status_code == 303
    sso.provider.rotate("second", published=False)
    assert "cannot be trusted" in sso.sign_in().text
    sso.provider.algorithm = "HS256"
    assert "cannot be trusted" in sso.sign_in().text


def test_response_to_another_sign_in_is_refused(sso: Sso) -> None:
    back = sso.provider.sign_in(sso.begin())
    assert sso.edge.send("GET", back.replace("state=", "state=x")).status_code == 403
    back = sso.provider.sign_in(sso.begin())
    sso.edge.client.cookies.clear()
    assert "does not belong to this sign-in" in sso.edge.send("GET", back).text
    back = sso.provider.sign_in(sso.begin())
    assert sso.edge.send("GET", back).status_code == 303
    assert sso.edge.send("GET", back).status_code == 403, "a second time"
    state = sso.begin().partition("state=")[2].partition("&")[0]
    denied = sso.edge.send(
        "GET",
        f"/sign-in/provider/back?error=access_denied&error_description=<b>No</b>&state={state}",
    )
    assert "did not sign you in: &lt;b&gt;No" in denied.text


def test_missing_claims_are_read_from_userinfo(sso: Sso) -> None:
    sso.provider.discovery = {"userinfo_endpoint": f"{sso.provider.issuer}/userinfo"}
    assert sso.sign_in().status_code == 303
    sso.provider.discovery["userinfo_claims"] = {"sub": "8"}
    assert "does not belong to this sign-in" in sso.sign_in().text


def test_errors_of_the_provider_are_explained(sso: Sso, capsys: pytest.CaptureFixture[str]) -> None:
    sso.provider.discovery = {"issuer": "https://other.example"}
    answer = sso.edge.send("GET", "/sign-in/provider")
    assert "calls itself https://other.example" in answer.text
    sso.provider.discovery = {"authorization_endpoint": "http://login.example/authorize"}
    answer = sso.edge.send("GET", "/sign-in/provider")
    assert "http://login.example is not encrypted" in answer.text
    sso.provider.discovery = {"token_endpoint": "http://169.254.169.254/token"}
    there = sso.begin()
    answer = sso.edge.send("GET", sso.provider.sign_in(there))
    assert (answer.status_code, "169.254.169.254 is not a public address" in answer.text) == (
        502,
        True,
    )
    sso.edge.runner.run(sso.provider.stop())
    assert sso.edge.hub.provider
    sso.edge.hub.provider._metadata = None
    answer = sso.edge.send("GET", "/sign-in/provider")
    assert (answer.status_code, "does not respond" in answer.text) == (502, True)
    said = capsys.readouterr()
    assert "sign_in.refused" in said.out
    assert CLIENT_SECRET not in said.out + said.err + repr(sso.edge.hub.provider.client)


WRONG = (
    {"ULTRAVIOLET_OIDC_CLIENT_ID": ""},
    {"ULTRAVIOLET_OIDC_ROLES": "staff=owner"},
    {"ULTRAVIOLET_OIDC_ROLES": ""},
    {"ULTRAVIOLET_OIDC_DEFAULT_ROLE": "owner"},
)


def test_invalid_settings_are_refused(tmp_path: Path) -> None:
    given = {"ULTRAVIOLET_OIDC_ISSUER": "https://id.example", "ULTRAVIOLET_OIDC_CLIENT_ID": "hub"}
    given |= {"ULTRAVIOLET_OIDC_ROLES": "staff=viewer"}
    Settings.from_environment(data=tmp_path, public_url="", environment=given)
    for wrong in WRONG:
        with pytest.raises(InvalidError, match="ULTRAVIOLET_OIDC"):
            Settings.from_environment(data=tmp_path, public_url="", environment={**given, **wrong})
