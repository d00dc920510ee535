"""The spool: one ordered file per process, limited in size, taken over from dead processes."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from ultraviolet.hub.ingest.spool import Spool, SpooledDelivery, SpoolFullError


def spooled(number: int) -> SpooledDelivery:
    return SpooledDelivery(
        {"body": b"\x00%d" % number, "dedupe_key": b"k", "source_time": None}, "sha256=hex"
    )


def test_deliveries_of_a_dead_process_are_taken_over_in_order_and_deleted_after_commit(
    tmp_path: Path,
) -> None:
    async def use_spool() -> None:
        first, second = Spool(tmp_path, 10_000), Spool(tmp_path, 10_000)
        await first.add([spooled(1), spooled(2)])
        await second.add([spooled(3)])
        first.close()
        third = Spool(tmp_path, 10_000)
        assert [delivery for _, delivery in await third.first(10)] == [spooled(1), spooled(2)]
        third.close()
        second.close()

        last = Spool(tmp_path, 10_000)
        found = await last.first(10)
        assert sorted(one.row["body"] for _, one in found) == [b"\x001", b"\x002", b"\x003"]
        await last.delete_through(found[1][0])
        assert (last.waiting, [delivery for _, delivery in await last.first(10)]) == (
            1,
            [found[2][1]],
        )
        last.close()
        again = Spool(tmp_path, 10_000)
        assert again.waiting == 1
        again.close()

    asyncio.run(use_spool())


def test_refused_delivery_blocks_nothing_and_is_tried_again_by_the_next_process(
    tmp_path: Path,
) -> None:
    async def use_spool() -> None:
        first = Spool(tmp_path, 10_000)
        await first.add([spooled(1), spooled(2)])
        await first.refuse(1, "too large")
        assert (first.refused, first.waiting) == (1, 1)
        assert [delivery for _, delivery in await first.first(10)] == [spooled(2)]
        first.close()
        again = Spool(tmp_path, 10_000)
        assert [delivery for _, delivery in await again.first(10)] == [spooled(2), spooled(1)]
        again.close()

    asyncio.run(use_spool())


def test_spool_has_a_size_limit(tmp_path: Path) -> None:
    async def use_spool() -> None:
        spool = Spool(tmp_path, 100)
        await spool.add([spooled(1)])
        with pytest.raises(SpoolFullError):
            await spool.add([spooled(2), spooled(3)])
        assert spool.waiting == 1
        await spool.delete_through(1)
        await spool.add([spooled(4)])
        spool.close()

    asyncio.run(use_spool())


def test_spool_recovers_from_a_full_disk(tmp_path: Path) -> None:
    async def use_spool() -> None:
        spool = Spool(tmp_path, 10**9)
        spool._file.execute("PRAGMA max_page_count = 10")  # like a full disk
        large = SpooledDelivery({"body": bytes(100_000)}, None)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            await spool.add([spooled(1), large])
        await spool.add([spooled(2)])
        spool._file.execute("PRAGMA max_page_count = 1000")
        await spool.add([large])
        assert [delivery for _, delivery in await spool.first(10)] == [spooled(2), large]
        spool.close()

    asyncio.run(use_spool())
