"""The budget of requests follows what ION can bear."""

import asyncio
import time

from ultraviolet.ion.rate_limiter import AdaptiveRateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_halves_when_ion_asks_to_slow_down_and_comes_back_by_and_by() -> None:
    clock = Clock()
    budget = AdaptiveRateLimiter(20, clock)
    budget.refused(None)
    assert budget.rate == 10
    budget.refused(None)
    assert budget.rate == 10, "requests under way when the first refusal came say nothing new"
    clock.now += 2
    budget.refused(None)
    assert budget.rate == 5
    for _ in range(100):
        budget.answered(0.1)
    assert budget.rate == 20, "never above the configured rate"


def test_it_falls_when_answers_take_much_longer_than_they_did() -> None:
    clock = Clock()
    budget = AdaptiveRateLimiter(20, clock)
    budget.answered(0.1)
    budget.answered(3.0)
    assert budget.rate == 16


def test_an_ion_that_was_always_slow_is_not_slower_than_usual() -> None:
    budget = AdaptiveRateLimiter(20, Clock())
    for _ in range(5):
        budget.answered(3.0)
    assert budget.rate == 20


def test_it_never_stops_asking() -> None:
    clock = Clock()
    budget = AdaptiveRateLimiter(20, clock)
    for _ in range(50):
        clock.now += 2
        budget.refused(None)
    assert budget.rate == 0.2


def test_nobody_asks_before_the_time_ion_gave() -> None:
    async def story() -> float:
        budget = AdaptiveRateLimiter(1000)
        budget.refused(0.2)
        began = time.monotonic()
        await asyncio.gather(*(budget.take() for _ in range(10)))
        return time.monotonic() - began

    assert asyncio.run(story()) >= 0.19
