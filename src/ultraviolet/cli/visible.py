"""Text as a terminal may be given it: nothing that ION or anybody else has written commands it."""

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but tab and line feed."""


def visible(text: str) -> str:
    r"""Write control characters as what they are, such as `\x1b`."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
