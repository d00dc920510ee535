"""Devices are named by browser and system."""

import pytest

from ultraviolet.web.pages.access.device_names import device_name

MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/126.0.0.0 Safari/537.36",
            "Chrome 126 on Windows",
        ),
        (
            f"{MOZILLA} (Windows NT 10.0) {WEBKIT} Chrome/126.0 Safari/537.36 Edg/125.0",
            "Edge 125 on Windows",
        ),
        (
            f"{MOZILLA} (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Firefox 128 on Linux",
        ),
        (
            f"{MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/17.4 Safari/605.1.15",
            "Safari 17 on macOS",
        ),
        (
            f"{MOZILLA} (iPhone; CPU like Mac OS X) {WEBKIT} Version/17.4 Mobile/15E148 Safari/604.1",
            "Safari 17 on iPhone",
        ),
        (f"{MOZILLA} (Linux; Android 14) {WEBKIT} Chrome/126.0 Mobile", "Chrome 126 on Android"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown device"),
        (None, "Unknown device"),
    ],
)
def test_device_is_named_by_browser_and_system(user_agent: str | None, name: str) -> None:
    assert device_name(user_agent) == name
