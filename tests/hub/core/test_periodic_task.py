"""Periodic work repeats after its interval or a wake, survives errors, and stops."""

import asyncio
from collections.abc import Callable

from structlog.testing import capture_logs

from ultraviolet.hub.core.periodic_task import PeriodicTask

HOUR = 3600.0


class Work:
    """Work that counts its runs; the first one fails if told so."""

    def __init__(self, *, fails_first: bool = False) -> None:
        self.count = 0
        self._fails_first = fails_first
        self._ran = asyncio.Condition()

    async def run(self) -> None:
        async with self._ran:
            self.count += 1
            self._ran.notify_all()
        if self._fails_first and self.count == 1:
            raise ValueError("no luck")

    async def wait_for(self, count: int) -> None:
        async with self._ran:
            await asyncio.wait_for(self._ran.wait_for(lambda: self.count >= count), 10)


def run_task(
    work: Work, interval: float, wanted: int, act: Callable[[PeriodicTask], None]
) -> PeriodicTask:
    """Start a task, wait for its first run, act, wait for the wanted number of runs, and stop."""

    async def run() -> PeriodicTask:
        task = PeriodicTask("test", work.run, interval)
        assert not task.is_started
        task.start()
        await work.wait_for(1)
        act(task)
        await work.wait_for(wanted)
        assert (task.is_started, task.has_ended) == (True, False)
        await task.stop()
        return task

    return asyncio.run(run())


def test_work_repeats_after_the_interval_until_it_is_stopped() -> None:
    work = Work()
    assert run_task(work, 0.001, 5, lambda _: None).has_ended


def test_stop_at_the_moment_of_a_wake_ends_the_task() -> None:
    async def run() -> PeriodicTask:
        work = Work()
        task = PeriodicTask("test", work.run, HOUR)
        task.start()
        await work.wait_for(1)
        task.wake()
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await task.stop()
        return task

    assert asyncio.run(run()).has_ended


def test_wake_starts_the_next_run_before_the_interval() -> None:
    work = Work()
    run_task(work, HOUR, 2, lambda task: task.wake())
    assert work.count == 2


def test_error_is_logged_and_the_work_repeats() -> None:
    work = Work(fails_first=True)
    with capture_logs() as logs:
        run_task(work, 0.001, 2, lambda _: None)
    [entry] = [one for one in logs if one["event"] == "task.failed"]
    assert (entry["task"], entry["error"], entry["exc_info"]) == ("test", "no luck", True)


def test_first_delay_precedes_the_first_run() -> None:
    async def run() -> int:
        work = Work()
        task = PeriodicTask("test", work.run, 0.0, first_delay_seconds=HOUR)
        task.start()
        for _ in range(10):
            await asyncio.sleep(0)
        await task.stop()
        return work.count

    assert asyncio.run(run()) == 0
