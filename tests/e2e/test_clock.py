"""After a clock that was a day ahead is corrected, a restarted hub accepts new changes."""

import json
import sqlite3
from contextlib import closing
from typing import Any

SUPPLIERS = "{ suppliers(first: 1) { edges { node { id _etag } } } }"
UPDATE = "mutation ($i: UpdateSupplierInput!) { updateSupplier(input: $i) { supplier { id } } }"
A_DAY_AHEAD = """
    UPDATE objects SET read_at = {0}, observed_at = {0};
    UPDATE watermarks SET proven_at = replace(proven_at, substr(proven_at, 1, 10), date('now', '+1 day'));
    UPDATE settings SET value = {0} WHERE name = 'alive_at';
""".format("strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now', '+1 day')")


def test_changes_arrive_after_clock_was_set_back(start_ion: Any, start_hub: Any, wait: Any) -> None:
    ion = start_ion()
    hub = start_hub()
    integration = hub.connect(ion)
    hub.fetch(integration)
    wait(lambda: hub.at_rest(ion, integration), 60, "rest")
    hub.child.stop()
    with closing(sqlite3.connect(hub.data / "hub.db")) as database:
        database.executescript(A_DAY_AHEAD)

    again = start_hub(data=hub.data, port=int(hub.url.rsplit(":", 1)[1]))
    supplier = ion.execute(SUPPLIERS)["suppliers"]["edges"][0]["node"]
    ion.execute(
        UPDATE, i={"id": supplier["id"], "etag": supplier["_etag"], "name": "told after the jump"}
    )

    def shown() -> str:
        return json.dumps(again.api("GET", f"/objects/suppliers/{supplier['id']}"))

    wait(lambda: "told after the jump" in shown(), 10, "the change")
    wait(lambda: again.at_rest(ion, integration), 60, "rest")
    assert "clock.behind" in again.child.log.read_text()
    again.assert_equal_to_ion(integration)
