"""Settings from the environment: values, defaults and messages for invalid ones."""

import re
from pathlib import Path

import pytest

from ultraviolet.errors import InvalidError
from ultraviolet.hub.core.settings import Settings

OIDC = {
    "ULTRAVIOLET_OIDC_ISSUER": "https://login.example.com",
    "ULTRAVIOLET_OIDC_CLIENT_ID": "hub",
    "ULTRAVIOLET_OIDC_DEFAULT_ROLE": "viewer",
}


def load(environment: dict[str, str]) -> Settings:
    return Settings.from_environment(
        data=Path("/data"), public_url="http://localhost:8200", environment=environment
    )


def test_empty_environment_gives_defaults() -> None:
    assert load({}) == Settings(
        data=Path("/data"),
        database_url="sqlite:////data/hub.db",
        public_url="http://localhost:8200",
    )


def test_lists_are_separated_by_commas() -> None:
    settings = load(
        {
            "ULTRAVIOLET_ALLOWED_SOURCES": "10.0.0.1/8, 2001:db8::1,",
            "ULTRAVIOLET_ALLOWED_TARGETS": " ion.plant ,192.168.0.0/16",
            **OIDC,
            "ULTRAVIOLET_OIDC_DOMAINS": "Example.com",
        }
    )

    assert settings.allowed_sources == ("10.0.0.0/8", "2001:db8::1/128")
    assert settings.allowed_targets == ("ion.plant", "192.168.0.0/16")
    assert settings.oidc_domains == ("example.com",)


def test_group_may_contain_commas_and_equals_signs() -> None:
    groups = "cn=ops,dc=example = operator, admins=admin,"

    assert load({**OIDC, "ULTRAVIOLET_OIDC_ROLES": groups}).oidc_roles == (
        ("cn=ops,dc=example", "operator"),
        ("admins", "admin"),
    )


def test_oidc_settings_are_ignored_without_issuer() -> None:
    assert load({"ULTRAVIOLET_OIDC_CLIENT_ID": "hub"}) == load({})


def test_secret_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("uvk_secret\n")

    assert load({"ULTRAVIOLET_ADMIN_KEY_FILE": str(file)}).admin_key == "uvk_secret"
    both = {"ULTRAVIOLET_ADMIN_KEY": "uvk_other", "ULTRAVIOLET_ADMIN_KEY_FILE": str(file)}
    assert load(both).admin_key == "uvk_other"
    with pytest.raises(InvalidError, match=r"ULTRAVIOLET_ADMIN_KEY_FILE: .*missing"):
        load({"ULTRAVIOLET_ADMIN_KEY_FILE": str(tmp_path / "missing")})


@pytest.mark.parametrize(
    ("url", "prefix"),
    [("https://hub.example.com/", ""), ("https://example.com:8443/uv/", "/uv")],
)
def test_public_url_sets_the_path_prefix(url: str, prefix: str) -> None:
    settings = load({"ULTRAVIOLET_PUBLIC_URL": url})

    assert settings.public_url == url.rstrip("/")
    assert settings.path_prefix == prefix


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"ULTRAVIOLET_PUBLIC_URL": "hub.example.com"}, "must be an address such as"),
        ({"ULTRAVIOLET_PUBLIC_URL": "https://hub.example.com/?x=1"}, "without a query"),
        ({"ULTRAVIOLET_PUBLIC_URL": "https://hub.example.com:0"}, "must be an address such as"),
        ({"ULTRAVIOLET_PUBLIC_URL": "https://example.com/a/../b"}, "must be an address such as"),
        ({"ULTRAVIOLET_PUBLIC_URL": "https://kim:pw@example.com"}, "must not contain a user name"),
        ({"ULTRAVIOLET_TRUSTED_PROXIES": "proxy"}, "must list addresses and networks"),
        ({"ULTRAVIOLET_WATCH_SECONDS": "soon"}, "must be a number of seconds, not soon"),
        ({"ULTRAVIOLET_WATCH_SECONDS": "0"}, "must be more than 0 seconds"),
        ({"ULTRAVIOLET_API_RATE_LIMIT": "-1"}, "must be a whole number of at least 0, not -1"),
        ({"ULTRAVIOLET_HEAL": "maybe"}, "must be on or off, not maybe"),
        ({**OIDC, "ULTRAVIOLET_OIDC_CLIENT_ID": ""}, "also needs ULTRAVIOLET_OIDC_CLIENT_ID"),
        ({**OIDC, "ULTRAVIOLET_OIDC_DEFAULT_ROLE": ""}, "else no user can sign in"),
        ({**OIDC, "ULTRAVIOLET_OIDC_DEFAULT_ROLE": "owner"}, "must be one of viewer"),
        ({**OIDC, "ULTRAVIOLET_OIDC_ROLES": "ops=owner"}, "comma-separated group=role"),
    ],
)
def test_invalid_setting_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidError, match=re.escape(message)) as caught:
        load(environment)
    assert str(caught.value).startswith(("ULTRAVIOLET_", "Set ULTRAVIOLET_"))
