"""Characters that can command a terminal or change the order in which text is read, and what to do with them."""

import re

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_SEPARATORS = "\u2028\u2029"
_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}{_SEPARATORS}\ud800-\udfff]")
"""All control characters but tab and line feed, those that change the direction of text, and halves of a pair."""
_ANY_CONTROL = re.compile(f"[\t\n]|{_CONTROL.pattern}")


def escape_controls(text: str) -> str:
    r"""Return text with control and bidirectional characters written as what they are, such as `\x1b`."""
    return _CONTROL.sub(_escape, text)


def escape_line(text: str) -> str:
    r"""Return text as `visible` does, tabs and line feeds written as `\t` and `\n` as well."""
    return _ANY_CONTROL.sub(_escape, text)


def escape_json(written: str) -> str:
    r"""Return JSON in which such characters of texts are escaped, such as `\u202e`; it means the same."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def find_control_character(text: str) -> str | None:
    """Return the first control or bidirectional character of a text, as what it is; None where there is none."""
    found = _ANY_CONTROL.search(text)
    return _escape(found) if found else None


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
