"""Stored verifications: requested once, resumed if failed, and settled by repeated reads."""

from typing import Any

import pytest
from tests.hub.sync.plant import PARTS, SUPPLIERS, full, hold
from tests.hub.table_ion import select_all

from ultraviolet.db.database import Database
from ultraviolet.errors import ConflictError, NotFoundError
from ultraviolet.hub.sync import verification_store
from ultraviolet.hub.sync.verification_store import (
    SettledDifferences,
    SuspectedDifference,
    VerificationStep,
)
from ultraviolet.hub.sync.watermarks import watermark

NAMES = [PARTS, SUPPLIERS]


def request(database: Database, sample: int | None = None) -> int:
    return database.write_now(verification_store.request, 1, "test", sample)


def prepare(database: Database, number: int) -> list[VerificationStep]:
    return database.write_now(verification_store.prepare, 1, number, NAMES)


def state(database: Database) -> list[tuple[str, str]]:
    return [(r.id, r.state) for r in select_all(database, "SELECT * FROM differences ORDER BY id")]


def different(id_: str, mark: str = "a") -> SuspectedDifference:
    return SuspectedDifference(PARTS, id_, "different", {"name": {"ion": 1}}, mark)


def suspect(database: Database, number: int, *found: SuspectedDifference, **progress: Any) -> None:
    database.write_now(
        verification_store.save_page, number, PARTS, found, [], {"compared": 0, **progress}
    )


def test_concurrent_requests_share_a_verification_of_the_same_sample(database: Database) -> None:
    whole, sample = request(database), request(database, 50)
    assert len({whole, sample, request(database, 60)}) == 3
    assert (whole, sample) == (request(database), request(database, 50))
    assert whole == database.read_now(verification_store.unfinished, 1)
    database.write_now(verification_store.finish, 1, whole)
    assert request(database) != whole


def test_only_a_failed_verification_is_resumed(database: Database) -> None:
    number = request(database)
    with pytest.raises(ConflictError, match="is running"):
        database.write_now(verification_store.resume, number)
    with pytest.raises(NotFoundError):
        database.write_now(verification_store.resume, number + 1000)
    prepare(database, number)
    database.write_now(verification_store.step, number, PARTS, state="failed", error="x")
    database.write_now(verification_store.fail, number, "ION is down")
    assert "failed" == database.read_now(verification_store.state_of, number)
    assert database.read_now(verification_store.unfinished, 1) is None

    assert 1 == database.write_now(verification_store.resume, number)

    assert "running" == database.read_now(verification_store.state_of, number)
    steps = {r.resource: r for r in select_all(database, "SELECT * FROM verification_steps")}
    assert ("comparing", None) == (steps[PARTS].state, steps[PARTS].error)
    assert "waiting" == steps[SUPPLIERS].state


def test_steps_are_prepared_once_and_continue_at_their_cursor(database: Database) -> None:
    hold(database, [full(PARTS, n) for n in range(1, 31)])
    number = request(database)
    assert {VerificationStep(name, None, None) for name in NAMES} == set(prepare(database, number))
    suspect(database, number, compared=10, cursor="10")
    suspect(database, number, compared=5, cursor="15")
    database.write_now(verification_store.step, number, SUPPLIERS, state="done")

    assert [VerificationStep(PARTS, "15", None)] == prepare(database, number)

    [step] = select_all(database, "SELECT * FROM verification_steps WHERE resource = 'parts'")
    assert (15, 30) == (step.compared, step.total)
    [row] = select_all(database, "SELECT mirrored FROM verifications")
    assert 30 == row.mirrored


@pytest.mark.parametrize(
    ("sample", "ranges"), [(1, 1), (10, 1), (50, 4), (80, 6), (300, None), (None, None)]
)
def test_sample_is_divided_by_the_size_of_the_resources(
    database: Database, sample: int | None, ranges: int | None
) -> None:
    hold(database, [full(PARTS, n) for n in range(1, 151)])
    hold(database, [full(SUPPLIERS, n) for n in range(1, 51)])
    steps = {step.resource: step for step in prepare(database, request(database, sample))}
    assert ranges == steps[PARTS].ranges


def test_stable_difference_is_confirmed_by_the_last_read_only(database: Database) -> None:
    number = request(database)
    prepare(database, number)
    suspect(database, number, different("1"), different("2"), different("3"), different("4"))
    before = {d.ref: d for d in database.read_now(verification_store.suspects, number)}
    seen = SettledDifferences(
        equal=[(PARTS, "1")],
        still=[different("2"), different("3", "b")],
        unread={(PARTS, "4"): "timed out"},
    )

    settle = verification_store.settle_differences
    database.write_now(settle, 1, number, before, seen, last=False)
    assert [("2", "suspected"), ("3", "suspected"), ("4", "suspected")] == state(database)
    assert [] == select_all(database, "SELECT * FROM stale")

    database.write_now(settle, 1, number, before, seen, last=True)
    assert [("2", "confirmed"), ("3", "suspected"), ("4", "suspected")] == state(database)
    assert ["2"] == [r.id for r in select_all(database, "SELECT id FROM stale")]

    database.write_now(verification_store.finish, 1, number)
    rows = select_all(database, "SELECT * FROM differences ORDER BY id")
    assert [
        ("2", "confirmed", None),
        ("3", "unsettled", "It kept changing during the comparison"),
        ("4", "unsettled", "timed out"),
    ] == [(r.id, r.state, r.detail) for r in rows]


def test_confirmed_extra_object_requests_one_full_fetch(database: Database) -> None:
    number = request(database)
    prepare(database, number)
    extra = SuspectedDifference(PARTS, "1", "extra", fingerprint="a")
    suspect(database, number, extra)
    seen = SettledDifferences(still=[extra])
    for _ in range(2):
        database.write_now(
            verification_store.settle_differences, 1, number, {extra.ref: extra}, seen, last=True
        )
    [fetch] = select_all(database, "SELECT * FROM fetches")
    assert ("full", f"verification {number}") == (fetch.mode, fetch.requested_by)


def test_difference_of_a_page_read_again_is_stored_once(database: Database) -> None:
    number = request(database)
    prepare(database, number)
    suspect(database, number, different("1", "old"))
    suspect(database, number, different("1", "new"))
    assert ["new"] == [
        d.fingerprint for d in database.read_now(verification_store.suspects, number)
    ]


def test_only_complete_resources_without_differences_are_proven(database: Database) -> None:
    number = request(database)
    prepare(database, number)
    for name in NAMES:
        moment = "2026-01-01T00:00:00.000000+00:00"
        values = {"state": "done", "started_at": moment}
        database.write_now(verification_store.step, number, name, **values)
    suspect(database, number, different("1"))

    assert "done" == database.write_now(verification_store.finish, 1, number)

    assert database.read_now(watermark, 1, PARTS).proven_at is None
    assert database.read_now(watermark, 1, SUPPLIERS).proven_at is not None


def test_failed_resource_fails_the_verification(database: Database) -> None:
    number = request(database)
    prepare(database, number)
    database.write_now(verification_store.step, number, PARTS, state="failed", error="no")
    assert "failed" == database.write_now(verification_store.finish, 1, number)
    [row] = select_all(database, "SELECT error FROM verifications")
    assert "parts could not be read: no" == row.error


def test_random_start_is_any_number_up_to_the_greatest_id(database: Database) -> None:
    def draw() -> str:
        return database.read_now(verification_store.random_key, 1, PARTS)

    assert "0" == draw()
    hold(database, [full(PARTS, n) for n in (1, 2, 10)])
    drawn = {draw() for _ in range(100)}
    assert drawn <= {str(n) for n in range(11)}
    assert len(drawn) > 3
