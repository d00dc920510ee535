"""The spool: a file for each process, in order, with a limit, taken over from a process that died."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from ultraviolet.hub.ingest.spool import Spool, SpooledDelivery, SpoolFullError


def kept(number: int) -> SpooledDelivery:
    return SpooledDelivery(
        {"body": b"\x00%d" % number, "dedupe_key": b"k", "source_time": None}, "sha256=hex"
    )


def test_what_a_dead_process_left_is_taken_over_in_order_and_forgotten_when_it_is_brought(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        first, second = Spool(tmp_path, 10_000), Spool(tmp_path, 10_000)
        await first.add([kept(1), kept(2)])
        await second.add([kept(3)])
        first.close()
        third = Spool(tmp_path, 10_000)
        assert [one for _, one in await third.first(10)] == [kept(1), kept(2)]
        third.close()
        second.close()

        last = Spool(tmp_path, 10_000)
        found = await last.first(10)
        assert sorted(one.row["body"] for _, one in found) == [b"\x001", b"\x002", b"\x003"]
        await last.delete_through(found[1][0])
        assert (last.waiting, [one for _, one in await last.first(10)]) == (1, [found[2][1]])
        last.close()
        again = Spool(tmp_path, 10_000)
        assert again.waiting == 1
        again.close()

    asyncio.run(story())


def test_what_the_database_did_not_take_holds_up_nothing_and_is_tried_again_by_the_next_process(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        first = Spool(tmp_path, 10_000)
        await first.add([kept(1), kept(2)])
        await first.refuse(1, "too large")
        assert (first.refused, first.waiting) == (1, 1)
        assert [one for _, one in await first.first(10)] == [kept(2)]
        first.close()
        again = Spool(tmp_path, 10_000)
        assert [one for _, one in await again.first(10)] == [kept(2), kept(1)]
        again.close()

    asyncio.run(story())


def test_it_takes_no_more_than_it_may(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool(tmp_path, 100)
        await spool.add([kept(1)])
        with pytest.raises(SpoolFullError):
            await spool.add([kept(2), kept(3)])
        assert spool.waiting == 1
        await spool.delete_through(1)
        await spool.add([kept(4)])
        spool.close()

    asyncio.run(story())


def test_a_full_disk_is_said_and_got_over(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool(tmp_path, 10**9)
        spool._file.execute("PRAGMA max_page_count = 10")  # as if the disk had no more
        large = SpooledDelivery({"body": bytes(100_000)}, None)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            await spool.add([kept(1), large])
        await spool.add([kept(2)])
        spool._file.execute("PRAGMA max_page_count = 1000")
        await spool.add([large])
        assert [one for _, one in await spool.first(10)] == [kept(2), large]
        spool.close()

    asyncio.run(story())
