"""`ultraviolet setup apply` in an ION that lacks permissions for it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import StartHub

from ultraviolet.testing import LocalIonProcess, running_local_ion


@pytest.fixture
def local_ion(tmp_path: Path) -> Iterator[LocalIonProcess]:
    with running_local_ion(tmp_path / "ion", ["--no-plant"]) as ion:
        yield ion


def test_rejection_by_ion_is_reported_with_exit_code_7(
    start_hub: StartHub, local_ion: LocalIonProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = start_hub(ULTRAVIOLET_WATCH_SECONDS="3600")
    given = {"name": "plant", "api_url": local_ion.url, "auth_url": local_ion.url}
    secrets = {"client_id": local_ion.client_id, "client_secret": local_ion.client_secret}
    hub.api("POST", "/integrations", given | secrets)

    local_ion.faults.set("permission_lost", only="createWebhookSubscription")
    done = hub.cli("setup", "apply")
    assert 7 == done.returncode, done.stderr
    assert "ION rejected a part of the setup: " in done.stderr
    assert "Missing or inactive: " in done.stderr
    assert "CREATE" in done.stderr

    local_ion.faults.clear()
    assert 0 == hub.cli("setup", "apply").returncode

    receiver = json.loads(hub.cli("setup", "plan", "--json").stdout)["plan"]["receiver"]["id"]
    text = hub.cli("setup", "text", "--receiver", receiver)
    assert text.stdout.startswith("# subscription document")
    assert text.stderr.endswith("Next: ultraviolet setup plan plant\n")
    assert hub.cli("setup", "text").stdout.startswith("# receiver mutation")
    assert "Next: ultraviolet setup adopt --receiver" in hub.cli("setup", "text").stderr

    adopted = hub.cli("setup", "adopt", "--receiver", receiver)
    assert adopted.returncode == 0
    assert f"Adopted receiver {receiver}, which posts to “Ultraviolet”" in adopted.stderr
    assert "Subscribed" in adopted.stdout
    printed = (adopted, hub.cli("integration", "show"), hub.cli("integration", "pause"))
    assert hub.cli("integration", "resume").returncode == 0
    for result in printed:
        assert "{" not in result.stdout, "JSON is for --json"
        assert len(result.stdout) < 2000
    assert json.loads(hub.cli("setup", "adopt", "--receiver", receiver, "--json").stdout)["plan"]

    monkeypatch.setenv("ION_CLIENT_SECRET", "wrong")
    edit = ("integration", "edit", "--client-id", local_ion.client_id)
    refused = hub.cli(*edit)
    assert 2 == refused.returncode
    assert "Nothing was saved" in refused.stderr
    assert "Saved. The connection was not tested" in hub.cli(*edit, "--no-test").stderr
    hint = "`ultraviolet integration edit --client-id CLIENT_ID plant`"
    assert hint in hub.cli("integration", "test").stderr
    assert "None" not in hub.cli("integration", "test").stderr
    saved = hub.cli(*edit, "--client-secret", local_ion.client_secret, "--api-url", local_ion.url)
    assert "Saved. ION accepts the credentials" in saved.stderr, saved
    assert 0 == hub.cli("integration", "test").returncode
    for wrong in ([], ["--keep-events", "9d", "--api-url", "x"], ["--api-url", "x", "--dry-run"]):
        assert 2 == hub.cli("integration", "edit", *wrong).returncode

    rotated = hub.cli("webhook", "rotate", "1")
    assert "ION now posts to the new URL" in rotated.stdout
    assert "Next" not in rotated.stderr
    local_ion.faults.set("permission_lost", only="updateWebhookReceiver")
    rotated = hub.cli("webhook", "rotate", "2")
    assert "Next: set it on the receiver in ION." in rotated.stderr, rotated
