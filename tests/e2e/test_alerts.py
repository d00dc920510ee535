"""A running hub sends alerts at the start and the end of a problem."""

from typing import Any

import msgspec
from tests.alert_sinks import http_sink


def test_alert_opens_and_closes_for_a_refused_key(
    start_ion: Any, start_hub: Any, wait: Any
) -> None:
    ion = start_ion()
    hub = start_hub(ULTRAVIOLET_ALERT_SECONDS="0.2", ULTRAVIOLET_WATCH_SECONDS="0.2")
    integration = hub.connect(ion)
    with http_sink() as sink:
        added = msgspec.json.decode(
            hub.cli("alert", "add", "operations", "--webhook", sink.url, "--json").stdout
        )
        assert hub.cli("alert", "test", str(added["id"])).returncode == 0

        def told(kind: str, topic: str) -> Any:
            return [
                one
                for one in sink.messages()
                if one["type"] == kind and one["data"]["topic"] == topic
            ]

        hub.api("PATCH", f"/integrations/{integration['id']}", {"client_secret": "wrong"})
        wait(lambda: told("alert.opened", "credentials"), 30, "the alert about the refused key")
        standing = msgspec.json.decode(hub.cli("alert", "active", "--json").stdout)
        assert "credentials" in {one["topic"] for one in standing}
        hub.api("PATCH", f"/integrations/{integration['id']}", {"client_secret": ion.client_secret})
        wait(lambda: told("alert.fixed", "credentials"), 30, "told that it is over")

        assert len(told("alert.opened", "credentials")) == 1
        sink.answers = [403]
        failed = hub.cli("alert", "test", str(added["id"]))
        assert failed.returncode == 11
        assert "answered 403" in failed.stderr
        assert hub.cli("alert", "remove", str(added["id"]), "--yes").returncode == 0
        assert "No alert destinations yet" in hub.cli("alert", "list").stderr
    assert added["secret"] not in (hub.data.parent / "hub.log").read_text()
