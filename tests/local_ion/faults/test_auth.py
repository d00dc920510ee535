"""Faults of tokens and permissions."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest

from ultraviolet.local_ion.faults.kinds import TOKEN_MESSAGES
from ultraviolet.testing import TOKEN_PATH, LocalIonProcess

ME = {"query": "{ me { id } }"}


def send(url: str, body: bytes, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def sign_in(ion: LocalIonProcess) -> tuple[int, Any]:
    form = {
        "grant_type": "client_credentials",
        "client_id": ion.client_id,
        "client_secret": ion.client_secret,
    }
    return send(ion.url + TOKEN_PATH, urllib.parse.urlencode(form).encode())


def ask(ion: LocalIonProcess, token: str) -> tuple[int, Any]:
    return send(
        f"{ion.url}/graphql",
        json.dumps(ME).encode(),
        authorization=token,
        **{"content-type": "application/json"},
    )


def refusal(message: str) -> tuple[int, Any]:
    return 401, {"errors": [{"message": message}]}


@pytest.mark.parametrize("message", TOKEN_MESSAGES)
def test_token_rejected_fault_returns_each_of_ions_messages(
    ion: LocalIonProcess, message: str
) -> None:
    token = ion.token()
    ion.faults.set("token_rejected", message=message, count=1)
    assert ask(ion, token) == refusal(message)
    assert ask(ion, token)[0] == 200


def test_token_lifetime_fault_shortens_tokens(ion: LocalIonProcess, wait: Any) -> None:
    ion.faults.set("token_lifetime", seconds=0.2)
    status, given = sign_in(ion)
    assert (status, given["expires_in"]) == (200, 0.2)
    wait(
        lambda: ask(ion, given["access_token"]) == refusal("Token is expired."),
        10,
        "the token's end",
    )


def test_revoked_key_gets_no_token_and_its_tokens_are_rejected(ion: LocalIonProcess) -> None:
    _, given = sign_in(ion)
    ion.faults.set("key_revoked", only=ion.client_id)
    assert sign_in(ion)[0] == 401
    assert ask(ion, given["access_token"])[0] == 401
    ion.faults.clear()
    ion.faults.set("key_revoked", only="another key")
    assert ask(ion, given["access_token"])[0] == 200


def test_lost_permission_affects_only_its_targets(ion: LocalIonProcess) -> None:
    ion.faults.set("permission_lost", only="*Supplier*")
    query = 'mutation { createSupplier(input: {name: "New"}) { supplier { id } } }'
    answer = ion.post({"query": query})
    assert (
        answer["errors"][0]["message"] == "User does not have permission to update this resource."
    )
    assert "errors" not in ion.post({"query": "{ parts(first: 1) { edges { node { id } } } }"})
    assert ion.faults.triggered("permission_lost") == 1


def test_skewed_clock_affects_stamps_and_token_expiry(ion: LocalIonProcess) -> None:
    token = ion.token()
    make = 'mutation { createSupplier(input: {name: "New"}) { supplier { _created } } }'
    before = ion.execute(make)["createSupplier"]["supplier"]["_created"]
    ion.faults.set("clock_skew", seconds=-86_400)
    after = ion.execute(make)["createSupplier"]["supplier"]["_created"]
    assert after < before
    ion.faults.clear()
    ion.faults.set("clock_skew", seconds=86_400)
    assert ask(ion, token) == refusal("Token is expired.")
