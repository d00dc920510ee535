"""A secret is shown once: no page, API response, log line or error contains it again."""

import re
from typing import Any

import pytest

from ultraviolet import log_config
from ultraviolet.web.app import create_routes

ION_SECRET = "marked-secret-of-ion"
PASSWORD = "marked correct horse"
REAL = {
    "integration": "1",
    "integration_id": "1",
    "user": "1",
    "user_id": "1",
    "key_id": "2",
    "url_id": "1",
}


def addresses(edge: Any) -> list[str]:
    """Return every GET route with the parameters of existing rows."""
    found = {
        re.sub(r"\{(\w+):?\w*\}", lambda part: REAL.get(part.group(1), "1"), route.path)
        for route in create_routes(edge.hub.settings.path_prefix, "pages").routes
        if "GET" in route.methods
        and not route.path.startswith(("/static", "/live", "/api/v1/changes/stream"))
    }
    return sorted(found | {"/objects/parts", "/api/v1/objects/parts", "/sign-in/uvl_nobody"})


@pytest.mark.usefixtures("at_once")
def test_secrets_are_not_in_pages_responses_or_logs(
    signed_in: Any, integration: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    edge = signed_in
    log_config.configure()
    secrets = [ION_SECRET, PASSWORD, edge.client.cookies["ultraviolet_session"]]
    changes = {"client_secret": ION_SECRET}
    assert edge.api("PATCH", f"/integrations/{integration['id']}", changes).status_code == 200
    key = edge.create("/settings/keys", name="robot", role="viewer")
    link = edge.create("/settings/users/1/link")
    url = edge.create("/webhooks", integration="1", name="Violet")
    edge.submit("/one-time-secret/hide")
    secrets += [
        re.findall(pattern, page)[0]
        for pattern, page in ((r"uvk_[\w-]+", key), (r"uvl_[\w-]+", link))
    ]
    secrets += re.findall(r"/hooks/([\w-]+)", url)[:1]
    assert edge.api("PATCH", "/users/ada/password", {"password": "short"}).status_code == 422
    twice = {"password": PASSWORD, "repeated": PASSWORD}
    assert edge.submit("/account/password", now="", **twice).status_code == 303
    assert edge.submit("/sign-out").status_code == 303
    signs_in = {"name": "ada", "password": PASSWORD, "next": "/"}
    assert (
        edge.send("POST", "/sign-in", data={**signs_in, "password": PASSWORD + "!"}).status_code
        == 401
    )
    assert edge.send("POST", "/sign-in", data=signs_in).status_code == 303
    assert edge.send("POST", f"/sign-in/{secrets[4]}", data={"csrf": ""}).status_code == 403
    secrets.append(edge.client.cookies["ultraviolet_session"])
    delivery = {
        "headers": {"content-type": "application/json"},
        "content": b'{"resource": "parts"}',
    }
    assert edge.send("POST", f"/hooks/{secrets[5]}", **delivery).status_code == 200
    assert edge.send("POST", f"/hooks/{secrets[5]}x", **delivery).status_code == 404

    for spelled in ("//hooks/", "/HOOKS/", "/%68ooks/", "/hooks%2f", "/x/../hooks/"):
        edge.send("POST", spelled + secrets[5], **delivery)

    answers = {path: edge.send("GET", path) for path in addresses(edge)}
    answers |= {
        f"{path} as JSON": edge.api("GET", path[7:])
        for path in answers
        if path.startswith("/api/v1/")
    }
    assert sum(answer.status_code == 200 for answer in answers.values()) > 50
    log = capsys.readouterr()
    said = {path: answer.text + str(answer.headers) for path, answer in answers.items()}
    said |= {"stdout": log.out, "stderr": log.err}
    for secret in secrets:
        assert [path for path, text in said.items() if secret in text] == [], secret[:4]
