"""The receiver check repairs deviations once, and reports what ION does not keep."""

import sqlite3
from contextlib import closing
from typing import Any

from tests.hub.integrations.test_webhook_setup import Place, Where, by_hand, run, where

from ultraviolet.hub.health.receiver_check import ReceiverCheck
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import webhook_setup

__all__ = ["where"]

RESET = """CREATE TRIGGER resets AFTER UPDATE ON webhook_receivers
  WHEN NEW.expected_response_code <> 201 BEGIN
    UPDATE webhook_receivers SET expected_response_code = 201 WHERE id = NEW.id;
  END"""
CHANGE = "UPDATE webhook_receivers SET expected_response_code = 201"


def in_ion(place: Place, *statements: str) -> None:
    with closing(sqlite3.connect(place.path / "ion.db")) as connection, connection:
        for name in ("update", "insert"):
            connection.execute(f"DROP TRIGGER IF EXISTS webhook_receivers_{name}_logged")
        for statement in statements:
            connection.execute(statement)


async def updates(place: Place) -> list[Any]:
    items = await place.database.read(
        lambda c: c.exec_driver_sql("SELECT action FROM audit_log").scalars().all()
    )
    return [one for one in items if one == "receiver.update"]


def test_deviation_is_repaired_and_reported_with_the_reason_of_the_fetch(where: Where) -> None:
    async def story(place: Place) -> None:
        check = ReceiverCheck(place, place.id)
        assert [one.subject for one in (await check.run()).findings or ()] == ["none"]
        await webhook_setup.apply_setup(place, "kim", place.id)
        assert (await check.run()).findings == []
        in_ion(place, CHANGE)

        found = await check.run()

        assert found.repaired
        [finding] = found.findings or ()
        assert (finding.subject, finding.repaired) == ("settings", True)
        assert (await check.run()).findings == []
        assert len(await updates(place)) == 1

    run(where, story)


def test_correction_that_ion_does_not_keep_is_reported_and_not_repeated(where: Where) -> None:
    async def story(place: Place) -> None:
        await webhook_setup.apply_setup(place, "kim", place.id)
        check = ReceiverCheck(place, place.id)
        in_ion(place, CHANGE, RESET)

        found = await check.run()

        assert (found.repaired, bool(found.receivers)) == ("", True)
        [finding] = found.findings or ()
        assert "ION does not keep the correction" in finding.message
        assert not finding.repaired
        for _ in range(3):
            again = await check.run()
            assert (again.findings, again.repaired) == (None, "")
        assert len(await updates(place)) == 1
        in_ion(place, "DROP TRIGGER resets", CHANGE.replace("201", "200"))
        assert (await check.run()).findings == []

    run(where, story)


def test_second_receiver_is_adopted_without_a_finding(where: Where) -> None:
    async def story(place: Place) -> None:
        first = await webhook_setup.apply_setup(place, "kim", place.id)
        second, receiver_id = await by_hand(place, "second")
        check = ReceiverCheck(place, place.id)

        checked = await check.run()

        assert checked.findings == []
        assert {each.id for each in checked.receivers} == {
            receiver_id,
            first.webhook_url.receiver_id,
        }
        adopted = await place.database.read(webhook_urls.get_url, second.id)
        assert (adopted.receiver_id, adopted.verifies) == (receiver_id, True)

        in_ion(place, f"UPDATE webhook_receivers SET shared_secret = 'x' WHERE id = {receiver_id}")
        [finding] = (await check.run()).findings or ()
        assert (finding.subject, finding.repaired) == ("secret", True)
        assert (await check.run()).findings == []

    run(where, story)


def test_subscriptions_of_a_deleted_receiver_are_created_at_the_other(where: Where) -> None:
    async def story(place: Place) -> None:
        first = await webhook_setup.apply_setup(place, "kim", place.id, wanted=[["runs", "UPDATE"]])
        _, receiver_id = await by_hand(place, "second")
        check = ReceiverCheck(place, place.id)
        await check.run()
        gone = first.webhook_url.receiver_id
        in_ion(
            place,
            f"DELETE FROM webhook_subscriptions WHERE receiver_id = {gone}",
            f"DELETE FROM webhook_receivers WHERE id = {gone}",
        )

        checked = await check.run()

        assert [each.id for each in checked.receivers] == [receiver_id]
        assert [one.subject for one in checked.findings or ()] == ["missing"]
        assert checked.repaired
        assert (await check.run()).findings == []

    run(where, story)
