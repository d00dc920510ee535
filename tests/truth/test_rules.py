"""The rules of truth hold at each step of random histories of a model ION.

Deliveries and reads arrive late, repeatedly or never. Rules 1, 4 and 8 concern the whole hub
(tests/truth/test_cases.py, tests/e2e/test_crash_points.py); the others concern `apply`.
"""

import json
from datetime import datetime
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, text
from tests.truth.model import BEGIN, RESOURCE, ModelIon, answer, event

from ultraviolet.db import dialect
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation
from ultraviolet.mirror.resolve import LAG

IDS = ("1", "2", "3")
ids = st.sampled_from(IDS)
steps = st.sampled_from([0.0, 0.000001, 0.01, 1.0, 7.0, 65.0, 3600.0])


class MirrorRules(RuleBasedStateMachine):
    """Integration 1 gets each batch of observations once, integration 2 twice."""

    connection: Connection
    catalog: Catalog

    undelivered = Bundle("undelivered")
    delivered = Bundle("delivered")
    reading = Bundle("reading")
    read = Bundle("read")

    @initialize(skew=st.sampled_from([0.0, 0.0, -3600.0, 45.0, 86400.0]))
    def begin(self, skew: float) -> None:
        self.connection.rollback()
        dialect.begin_write(self.connection)
        self.ion = ModelIon(skew)
        self.now = 0.0
        self.number = 0
        self.applied: list[Observation] = []
        self.seen_reads: dict[str, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "ion"):
            self.check_convergence()

    @rule(by=steps)
    def advance_time(self, by: float) -> None:
        self.now = round(self.now + by, 6)

    @rule(
        target=undelivered,
        id_=ids,
        told=st.booleans(),
        status=st.sampled_from(["DRAFT", "ORDERED", None]),
    )
    def write_row(self, id_: str, told: bool, status: str | None) -> Any:
        """Create, update or restore a row; the event contains `_updated` or not."""
        said = self.ion.write(self.now, id_, status=status)
        return id_, (said if told else {"status": status}), self.now

    @rule(target=undelivered, id_=ids, words=st.text(max_size=2))
    def write_description(self, id_: str, words: str) -> Any:
        return id_, self.ion.write(self.now, id_, description=words or None), self.now

    @precondition(lambda self: self.ion.rows)
    @rule(data=st.data(), cost=st.sampled_from([0.0, 1.0, 2.0]))
    def change_computed_value(self, data: Any, cost: float) -> None:
        """Change a value without an event and without `_updated`."""
        self.ion.compute(self.now, data.draw(st.sampled_from(sorted(self.ion.rows))), cost)

    @precondition(lambda self: self.ion.rows)
    @rule(target=undelivered, data=st.data())
    def delete_row(self, data: Any) -> Any:
        id_ = data.draw(st.sampled_from(sorted(self.ion.rows)))
        self.ion.delete(self.now, id_)
        return id_, {}, self.now

    @precondition(lambda self: len(self.ion.past) > 2)
    @rule(data=st.data())
    def restore_backup(self, data: Any) -> None:
        """Change, delete and restore rows with an older `_updated`, without events."""
        self.ion.restore(self.now, data.draw(st.sampled_from(self.ion.past))[0])

    @rule(target=delivered, one=consumes(undelivered))
    def deliver(self, one: Any) -> Any:
        self.number += 1
        id_, told, _ = one
        self.observe(event(told, id_, self.now, self.number))
        return one

    @rule(one=delivered)
    def deliver_again(self, one: Any) -> None:
        """Deliver under another number, as from another subscription."""
        self.number += 1
        self.observe(event(one[1], one[0], self.now, self.number))

    @rule(one=consumes(undelivered))
    def lose_delivery(self, one: Any) -> None:
        pass

    @rule(target=reading, wanted=st.sets(ids, min_size=1))
    def begin_read(self, wanted: set[str]) -> Any:
        self.now = round(self.now + 0.000001, 6)  # no two reads begin at the same moment
        return sorted(wanted), self.now

    @rule(target=read, one=consumes(reading))
    def execute_read(self, one: Any) -> Any:
        """Fix ION's response at this time; it may arrive later."""
        wanted, began = one
        rows = self.ion.as_of(self.now)
        return multiple(*((id_, rows.get(id_), began) for id_ in wanted))

    @rule(one=read, origin=st.sampled_from(["heal", "fetch", "poll"]))
    def receive_response(self, one: Any, origin: str) -> None:
        """Receive a response at once, late or repeatedly."""
        id_, row, began = one
        self.observe(answer(row, id_, began, self.now, origin))

    @rule(one=consumes(read))
    def lose_response(self, one: Any) -> None:
        pass

    @rule(several=st.lists(st.one_of(consumes(undelivered), read), max_size=5))
    def receive_batch(self, several: list[Any]) -> None:
        batch: list[Observation] = []
        for id_, said, began in several:
            self.number += 1
            told = said is not None and "id" not in said
            batch.append(
                event(said, id_, self.now, self.number)
                if told
                else answer(said, id_, began, self.now)
            )
        self.observe(*batch)

    def observe(self, *batch: Observation) -> None:
        before = self.docs()
        outcome = apply(self.connection, self.catalog, 1, batch)
        apply(self.connection, self.catalog, 2, batch)
        versions = len(self.versions(2))
        apply(self.connection, self.catalog, 2, batch)
        assert len(batch) == len(outcome.outcomes)
        self.applied += batch
        assert versions == len(self.versions(2)), "rule 2: once"
        assert self.docs() == self.docs(2), "rule 2: once"
        assert self.stale() == self.stale(2), "rule 2: once"
        if len(batch) == 1 and batch[0].kind == "partial" and batch[0].id in before:
            self.check_other_fields(batch[0], before)

    def check_other_fields(self, told: Observation, before: dict[str, Any]) -> None:
        after = self.docs()
        assert before.keys() == after.keys(), "rule 7: an event alone deletes nothing"
        for name, value in before[told.id].items():
            if name not in told.fields:
                assert value == after[told.id][name], "rule 3: other fields stay unchanged"

    @invariant()
    def fresh_objects_equal_ion(self) -> None:
        """Each fresh object equals a state of ION since the start of its last read."""
        for row in self.objects():
            if row.id in self.stale():
                continue
            assert row.read_at, "rule 6: only a read settles"
            held = None if row.deleted_at else json.loads(row.doc)
            assert held in self.ion.states(row.id, _seconds(row.read_at)), "rules 3 and 7"

    @invariant()
    def read_times_never_decrease(self) -> None:
        for row in self.objects():
            assert (row.read_at or "") >= self.seen_reads.get(row.id, ""), "rule 3: never backwards"
            self.seen_reads[row.id] = row.read_at or ""

    @invariant()
    def history_is_complete(self) -> None:
        """Versions have no gaps and an applied origin; the last one equals the object."""
        given = {(o.origin.kind, o.origin.ref, o.id) for o in self.applied}
        latest: dict[str, Any] = {}
        for version in self.versions():
            origin = json.loads(version.origin)
            assert (origin["kind"], origin["ref"], version.id) in given, "rule 5"
            assert version.version == (
                latest[version.id].version + 1 if version.id in latest else 1
            )
            if version.change == "delete":
                assert self.was_seen_absent(version.id), "rule 7: absence is proven"
            latest[version.id] = version
        for row in self.objects():
            assert row.version == latest[row.id].version
            assert json.loads(row.doc) == json.loads(latest[row.id].doc)
            assert (row.deleted_at is not None) == (latest[row.id].change == "delete")

    def was_seen_absent(self, id_: str) -> bool:
        return any(o.kind == "absent" and o.id == id_ for o in self.applied)

    def check_convergence(self) -> None:
        """Rule 6: after the last delivery, a full fetch and heals, mirror and ION are equal."""
        self.now += LAG.total_seconds() + 1
        rows = self.ion.rows
        held = {row.id for row in self.objects()}
        whole = (
            answer(rows.get(id_), id_, self.now, self.now, "fetch")
            for id_ in sorted(held | rows.keys())
        )
        self.observe(*whole)
        self.now += 1
        for id_ in sorted(self.stale()):
            self.observe(answer(rows.get(id_), id_, self.now, self.now, "fetch"))
        assert set() == self.stale()
        assert rows == self.docs()

    def objects(self, integration: int = 1) -> list[Any]:
        return self.rows("SELECT * FROM objects WHERE integration_id = :i ORDER BY id", integration)

    def versions(self, integration: int = 1) -> list[Any]:
        return self.rows(
            "SELECT * FROM versions WHERE integration_id = :i ORDER BY seq", integration
        )

    def docs(self, integration: int = 1) -> dict[str, Any]:
        return {
            row.id: json.loads(row.doc) for row in self.objects(integration) if not row.deleted_at
        }

    def stale(self, integration: int = 1) -> set[str]:
        rows = self.rows("SELECT * FROM stale WHERE integration_id = :i", integration)
        return {row.id for row in rows if row.resource == RESOURCE}

    def rows(self, query: str, integration: int) -> list[Any]:
        return list(self.connection.execute(text(query), {"i": integration}))


def _seconds(read_at: str) -> float:
    """Return the time of the model in seconds."""
    return (datetime.fromisoformat(read_at) - BEGIN).total_seconds()


def test_rules_2_3_5_6_7_hold_for_any_history(connection: Connection, catalog: Catalog) -> None:
    machine = type(
        "BoundMirrorRules", (MirrorRules,), {"connection": connection, "catalog": catalog}
    )
    run_state_machine_as_test(machine)
