"""The payload of an event as HTML: indented JSON with colors."""

import json
import re

from markupsafe import Markup, escape

from ultraviolet.ion import answers

_MAX_COLORED_CHARACTERS = 100_000
"""A longer payload is shown without colors."""
_TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*"(?=\s*:))|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<word>true|false|null)"
)


def highlight(body: str) -> Markup:
    """Return valid JSON indented and colored; return anything else unchanged."""
    try:
        decoded = answers.decode(body.encode())
    except ValueError:
        return escape(body)
    if decoded.repaired:
        return escape(body)
    text = json.dumps(decoded.value, indent=2, ensure_ascii=False)
    if len(text) > _MAX_COLORED_CHARACTERS:
        return escape(text)
    parts: list[str] = []
    end = 0
    for token in _TOKEN.finditer(text):
        parts.append(escape(text[end : token.start()]))
        parts.append(Markup('<span class="json-{}">{}</span>').format(token.lastgroup, token[0]))
        end = token.end()
    return Markup("").join([*parts, escape(text[end:])])
