"""The page of a verification: its numbers add up, and it shows whether a later sync read everything."""

from typing import Any

from sqlalchemy import Connection, insert

from ultraviolet import clock
from ultraviolet.db.tables.sync import differences, fetches, verification_steps, verifications


def test_numbers_add_up_and_the_fix_ends_with_a_full_sync(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    def fill(connection: Connection) -> None:
        moment = clock.now_rfc3339()
        run = {"id": 1, "integration_id": integration["id"], "state": "done"}
        times = {"requested_by": "ada", "started_at": moment, "finished_at": moment}
        connection.execute(insert(verifications).values(**run, **times))
        step = {"verification_id": 1, "resource": "parts", "state": "done"}
        connection.execute(insert(verification_steps).values(**step, compared=9, total=9))
        one = {"verification_id": 1, "resource": "parts", "id": "7", "kind": "extra"}
        connection.execute(insert(differences).values(**one, fields={}, state="confirmed"))

    def sync(connection: Connection) -> None:
        moment = clock.now_rfc3339()
        run = {"id": 5, "integration_id": integration["id"], "mode": "full", "state": "done"}
        times = {"requested_by": "ada", "started_at": moment, "finished_at": moment}
        connection.execute(insert(fetches).values(**run, **times))

    signed_in.hub.database.write_now(fill)
    page = " ".join(signed_in.send("GET", "/verifications/1").text.split())
    assert "1 of 10 objects differ from ION." in page
    assert "Fix with a full sync" in page
    for address, known in (("/verifications/1", "Being re-checked"), ("/verifications", "Equal")):
        legend = signed_in.send("GET", address).text.partition("Meaning of the results")[2]
        for word in ("Missing in the mirror", "Not in ION", "Different", known):
            assert f"<dt>{word}</dt>" in legend

    signed_in.hub.database.write_now(sync)
    page = " ".join(signed_in.send("GET", "/verifications/1").text.split())
    assert "Fix with a full sync" not in page
    assert "Full sync 5</a> has read everything since then" in page
