"""Limits on guesses of webhook URLs, and the allow list of sources."""

from ultraviolet.web.middleware.throttle import MAX_GUESSES, WebhookThrottle


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_all_sources_are_allowed_without_an_allow_list() -> None:
    assert WebhookThrottle().admits("203.0.113.9")


def test_allow_list_rejects_other_sources() -> None:
    guard = WebhookThrottle(["54.149.61.144/32", "10.0.0.0/8"])
    assert guard.admits("54.149.61.144")
    assert guard.admits("10.1.2.3")
    assert not guard.admits("203.0.113.9")
    assert not guard.admits("not an address")


def test_forwarded_source_requires_a_trusted_proxy() -> None:
    headers = {"x-forwarded-for": "1.2.3.4, 54.149.61.144, 10.0.0.2"}
    assert WebhookThrottle(proxies=["10.0.0.0/8"]).source("10.0.0.1", headers) == "54.149.61.144"
    assert WebhookThrottle(proxies=["10.0.0.0/8"]).source("203.0.113.9", headers) == "203.0.113.9"
    assert WebhookThrottle().source("10.0.0.1", headers) == "10.0.0.1"


def test_guesses_are_limited_per_source() -> None:
    clock = Clock()
    guard = WebhookThrottle(clock=clock)
    for _ in range(MAX_GUESSES):
        assert guard.may_guess("a")
        guard.record_guess("a")
    assert not guard.may_guess("a")
    assert guard.may_guess("b")
    clock.now += 2
    assert guard.may_guess("a")
