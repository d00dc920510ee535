"""Names of the devices in which people are signed in, from the User-Agent header of their browser."""

import re

_BROWSERS = (
    ("Edge", r"Edg(?:e|A|iOS)?/(\d+)"),
    ("Opera", r"OPR/(\d+)"),
    ("Samsung Internet", r"SamsungBrowser/(\d+)"),
    ("Firefox", r"(?:Firefox|FxiOS)/(\d+)"),
    ("Chrome", r"(?:Chrome|CriOS|HeadlessChrome)/(\d+)"),
    ("Safari", r"Version/(\d+)[\d.]* (?:Mobile/\S+ )?Safari/"),
)
"""The first match names the browser, because most browsers also name those they descend from."""
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("ChromeOS", "CrOS"),
    ("macOS", "Macintosh|Mac OS X"),
    ("Linux", "Linux|X11"),
)


def device_name(user_agent: str | None) -> str:
    """Return a name such as "Firefox 128 on Windows"; the first word for other programs."""
    if not user_agent:
        return "Unknown device"
    for browser, pattern in _BROWSERS:
        if found := re.search(pattern, user_agent):
            system = next((name for name, mark in _SYSTEMS if re.search(mark, user_agent)), "")
            return f"{browser} {found[1]}" + (f" on {system}" if system else "")
    return user_agent.split()[0].split("/")[0]
