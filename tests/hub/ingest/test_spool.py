"""The spool: one ordered file per process, limited in size, taken over from dead processes."""

import asyncio
import shutil
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultraviolet.hub.ingest.spool import Spool, SpooledDelivery, SpoolFullError


def spooled(number: int) -> SpooledDelivery:
    return SpooledDelivery(
        {"body": b"\x00%d" % number, "dedupe_key": b"k", "source_time": None}, "sha256=hex"
    )


def test_deliveries_of_a_dead_process_are_committed_in_order_and_deleted(
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


def test_spool_counts_existing_deliveries_after_a_restart(tmp_path: Path) -> None:
    async def use_spool() -> None:
        first = Spool(tmp_path, 10_000)
        await first.add([spooled(1), spooled(2), spooled(3)])
        await first.delete_through(1)
        size_bytes = first.size_bytes
        first.close()
        second = Spool(tmp_path, 10_000)
        assert (second.waiting, second.size_bytes) == (2, size_bytes)
        await second.delete_through(3)
        assert (second.waiting, second.size_bytes, await second.first(10)) == (0, 0, [])
        second.close()

    asyncio.run(use_spool())


def test_limit_applies_to_taken_over_deliveries_and_loses_none_of_them(tmp_path: Path) -> None:
    async def use_spool() -> None:
        first = Spool(tmp_path, 10_000)
        await first.add([spooled(number) for number in range(5)])
        first.close()
        smaller = Spool(tmp_path, 10)
        assert [delivery for _, delivery in await smaller.first(10)] == [*map(spooled, range(5))]
        with pytest.raises(SpoolFullError):
            await smaller.add([spooled(6)])
        assert smaller.waiting == 5
        smaller.close()

    asyncio.run(use_spool())


def test_number_is_not_given_again_after_deletion(tmp_path: Path) -> None:
    """Otherwise a repeated deletion could delete a delivery that is not yet committed."""

    async def use_spool() -> None:
        spool = Spool(tmp_path, 10_000)
        await spool.add([spooled(1), spooled(2)])
        [_, (last, _)] = await spool.first(10)
        await spool.delete_through(last)
        await spool.add([spooled(3)])
        await spool.delete_through(last)
        assert [delivery for _, delivery in await spool.first(10)] == [spooled(3)]
        assert spool.waiting == 1
        spool.close()

    asyncio.run(use_spool())


def test_last_write_cut_off_by_a_power_failure_leaves_the_earlier_ones(tmp_path: Path) -> None:
    async def use_spool() -> None:
        spool = Spool(tmp_path / "before", 10**6)
        log = tmp_path / "before" / "spool-1.db-wal"
        await spool.add([spooled(1), spooled(2)])
        complete = log.stat().st_size
        await spool.add([SpooledDelivery({"body": bytes(20_000)}, None)])
        assert log.stat().st_size > complete
        shutil.copytree(tmp_path / "before", tmp_path / "after")
        spool.close()
        with (tmp_path / "after" / "spool-1.db-wal").open("r+b") as cut:
            cut.truncate(complete + 5000)

        found = Spool(tmp_path / "after", 10**6)
        assert [delivery for _, delivery in await found.first(10)] == [spooled(1), spooled(2)]
        await found.add([spooled(3)])
        assert found.waiting == 3
        found.close()

    asyncio.run(use_spool())


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_undecodable_record_is_set_aside_and_blocks_nothing(tmp_path: Path, limit: int) -> None:
    async def use_spool() -> None:
        spool = Spool(tmp_path, 10_000)
        await spool.add([spooled(1), spooled(2), spooled(3), spooled(4)])
        spool._file.execute("UPDATE deliveries SET delivery = x'c1ff' WHERE seq IN (1, 2)")
        whole = msgspec.msgpack.encode(spooled(4))
        cut = [whole[: len(whole) // 2]]
        spool._file.execute("UPDATE deliveries SET delivery = ? WHERE seq = 4", cut)
        read: list[SpooledDelivery] = []
        while found := await spool.first(limit):
            read += [delivery for _, delivery in found]
            await spool.delete_through(found[-1][0])
        assert (read, spool.refused, spool.waiting) == ([spooled(3)], 3, 0)
        kept = spool._file.execute("SELECT seq, delivery, why FROM refused ORDER BY seq").fetchall()
        assert [(seq, delivery) for seq, delivery, _ in kept] == [
            (1, b"\xc1\xff"),
            (2, b"\xc1\xff"),
            (4, *cut),
        ]
        assert all(why.startswith("not readable: ") for _, _, why in kept)
        spool.close()

    asyncio.run(use_spool())


def test_folder_and_files_are_private_to_the_account(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    Spool(folder, 10_000).close()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert (stat.S_IMODE(folder.stat().st_mode), modes) == (0o700, {0o600})


def test_reason_of_a_refusal_is_stored_in_short(tmp_path: Path) -> None:
    async def use_spool() -> None:
        spool = Spool(tmp_path, 10_000)
        await spool.add([spooled(1)])
        await spool.refuse(1, "x" * 10_000)
        [(why,)] = spool._file.execute("SELECT why FROM refused").fetchall()
        assert (len(why), spool.size_bytes) == (500, 0)
        spool.close()

    asyncio.run(use_spool())


STEPS = st.lists(st.sampled_from(["add", "delete", "refuse", "restart"]), max_size=12)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None)
def test_spool_behaves_as_a_queue_in_memory_with_a_list_of_refused_deliveries(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("queue")
    waiting: list[SpooledDelivery] = []
    refused: list[SpooledDelivery] = []

    async def add(spool: Spool, number: int) -> None:
        await spool.add([spooled(number), spooled(-number)])
        waiting.extend([spooled(number), spooled(-number)])

    async def delete(spool: Spool, _: int) -> None:
        for seq, _delivery in await spool.first(1):
            await spool.delete_through(seq)
            del waiting[0]

    async def refuse(spool: Spool, _: int) -> None:
        for seq, _delivery in await spool.first(1):
            await spool.refuse(seq, "no")
            refused.append(waiting.pop(0))

    work: dict[str, Callable[[Spool, int], Awaitable[None]]] = {
        "add": add,
        "delete": delete,
        "refuse": refuse,
    }

    async def use_spool() -> None:
        spool = Spool(folder, 10_000)
        for number, step in enumerate(steps, 1):
            if step == "restart":
                spool.close()
                spool = Spool(folder, 10_000)
                waiting.extend(refused)
                refused.clear()
            else:
                await work[step](spool, number)
            assert [delivery for _, delivery in await spool.first(100)] == waiting
            assert spool.waiting == len(waiting)
            assert spool.size_bytes == sum(len(msgspec.msgpack.encode(one)) for one in waiting)
        spool.close()

    asyncio.run(use_spool())
