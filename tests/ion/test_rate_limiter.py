"""The budget of requests follows what ION can bear."""

import asyncio
import time

from ultraviolet.ion.rate_limiter import AdaptiveRateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_rate_halves_on_rate_limit_and_recovers_gradually() -> None:
    clock = Clock()
    budget = AdaptiveRateLimiter(20, clock)
    budget.refused(None)
    assert budget.rate == 10
    budget.refused(None)
    assert budget.rate == 10, "requests sent before the first refusal do not count again"
    clock.now += 2
    budget.refused(None)
    assert budget.rate == 5
    for _ in range(100):
        budget.answered(0.1)
    assert budget.rate == 20, "never above the configured rate"


def test_rate_decreases_when_responses_become_much_slower() -> None:
    clock = Clock()
    budget = AdaptiveRateLimiter(20, clock)
    budget.answered(0.1)
    budget.answered(3.0)
    assert budget.rate == 16


def test_constantly_slow_ion_does_not_reduce_the_rate() -> None:
    budget = AdaptiveRateLimiter(20, Clock())
    for _ in range(5):
        budget.answered(3.0)
    assert budget.rate == 20


def test_rate_never_reaches_zero() -> None:
    clock = Clock()
    budget = AdaptiveRateLimiter(20, clock)
    for _ in range(50):
        clock.now += 2
        budget.refused(None)
    assert budget.rate == 0.2


def test_no_request_before_retry_after_has_passed() -> None:
    async def story() -> float:
        budget = AdaptiveRateLimiter(1000)
        budget.refused(0.2)
        began = time.monotonic()
        await asyncio.gather(*(budget.take() for _ in range(10)))
        return time.monotonic() - began

    assert asyncio.run(story()) >= 0.19
