"""Escape characters that control a terminal or change the direction of text."""

import re

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_SEPARATORS = "\u2028\u2029"
_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}{_SEPARATORS}\ud800-\udfff]")
"""Control characters except tab and line feed, bidirectional characters, and lone surrogates."""
_CONTROL_OR_WHITESPACE = re.compile(f"[\t\n]|{_CONTROL.pattern}")


def escape_controls(text: str) -> str:
    r"""Return text with control and bidirectional characters escaped, as in `\x1b`."""
    return _CONTROL.sub(_escape, text)


def escape_line(text: str) -> str:
    r"""Return text as one line: as `escape_controls`, with `\t` and `\n` escaped as well."""
    return _CONTROL_OR_WHITESPACE.sub(_escape, text)


def escape_json(document: str) -> str:
    r"""Return equivalent JSON with these characters escaped, as in `\u202e`."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def find_control_character(text: str) -> str | None:
    """Return the first control or bidirectional character of a text, escaped; or None."""
    match = _CONTROL_OR_WHITESPACE.search(text)
    return _escape(match) if match else None


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
