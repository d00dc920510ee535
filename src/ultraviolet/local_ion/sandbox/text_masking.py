"""Masks words and numbers consistently: equal originals have equal replacements.

A replacement has no vowels, so that no word of a human language can remain in it. Different
originals have different replacements, so that unique values stay unique.
"""

import math
import re
import secrets
from functools import lru_cache
from hashlib import blake2b

MAX_CACHED_TEXTS = 20_000
MAX_PERMUTED_LENGTH = 24
"""Longer words are replaced by a hash of the same length."""
_ROUNDS = 4
_MAX_ROTATED_DIGITS = 6
_CONSONANTS = "bcdfghjklmnpqrstvwxz"
_WORD_BASE = 26
_MAX_CENTS = 1e12
_HTML_TAGS = (
    "a|b|blockquote|br|code|div|em|h[1-6]|hr|i|img|li|ol|p|pre|s|span|strong|sub|sup|table|tbody"
    "|td|th|thead|tr|u|ul"
)
_PIECES = re.compile(
    rf"(?P<kept>\b(?:https?|ftp|mailto)(?=:)|(?<=<)/?(?:{_HTML_TAGS})(?=[\s/>]))"
    r"|(?P<host>(?:(?<=://)|(?<=[^\s@]@))[^\x00-,/:-@\[-`{-\x7f\s]+)"
    r"|(?P<word>[A-Za-z]+)|(?P<digits>[0-9]+)|(?P<foreign>[^\x00-\x7f\s]+)"
)
"""The parts of a text to mask. A host contains letters, digits, dashes and dots."""


class TextMask:
    """Masks texts and numbers with a secret key; the same key gives the same replacements."""

    def __init__(self, key: str | None = None) -> None:
        """Use this key, or a random one."""
        self._key = blake2b(
            (key or secrets.token_hex(32)).encode(errors="surrogatepass"), digest_size=32
        ).digest()
        self.text = lru_cache(MAX_CACHED_TEXTS)(self._text)
        self._word = lru_cache(MAX_CACHED_TEXTS)(self._make_word)

    def _text(self, text: str) -> str:
        """Return a text with other words and digits, and the same punctuation."""
        return _PIECES.sub(self._piece, text)

    def number(self, value: float) -> float:
        """Return a number between half and twice as large, never the same unless it is 0."""
        try:
            float(value)
        except OverflowError:  # a number that no column can store
            return 0
        if not value or not math.isfinite(value):
            return value
        share = self._hash(b"number", repr(float(value)), 8) / 2**64
        if isinstance(value, int):
            masked = round(value * (0.5 + 1.5 * share))
            return masked if masked not in (0, value) else value + (1 if value > 0 else -1)
        masked = value * (0.5 + 1.5 * share)
        if abs(value) > _MAX_CENTS:
            return masked
        masked = round(masked, 2)
        return (
            masked if masked not in (0.0, value) else round(value, 2) + math.copysign(0.01, value)
        )

    def degrees(self, value: float) -> float:
        """Return another coordinate, which is valid as a latitude and as a longitude."""
        return round(self._hash(b"degrees", repr(float(value)), 8) / 2**64 * 180 - 90, 5)

    def _piece(self, match: re.Match[str]) -> str:
        kind, found = match.lastgroup, match.group()
        if kind == "kept":
            return found
        if kind == "host":
            masked = re.sub(r"[^.-]+", lambda label: self._label(label.group()), found)
            return f"{masked.strip('.')}.example"
        return self._label(found)

    def _label(self, text: str) -> str:
        """Mask a text without punctuation."""
        pieces = re.findall(r"[A-Za-z]+|[0-9]+|[^\x00-\x7f]+", text)
        return "".join(self._word(piece) for piece in pieces)

    def _make_word(self, word: str) -> str:
        if not word.isascii():
            return self._hashed(word, len(word) + 6)
        if word[0].isdigit():
            if len(word) > MAX_PERMUTED_LENGTH:
                return str(self._hash(b"digits", word, 32)).zfill(len(word))
            size = 10 ** len(word)
            value = self._permute(int(word), len(word), size)
            if len(word) <= _MAX_ROTATED_DIGITS:
                # a rotation inside the permutation, so that no number stays the same
                value = self._permute((value + 1) % size, len(word), size, inverse=True)
            return str(value).zfill(len(word))
        lower = word.lower()
        if len(word) > MAX_PERMUTED_LENGTH:
            masked = self._hashed(lower, len(word))
        else:
            masked = self._consonants(lower)
        cases = [character.isupper() for character in word]
        cases += [cases[-1]] * (len(masked) - len(cases))
        return "".join(c.upper() if up else c for c, up in zip(masked, cases, strict=True))

    def _consonants(self, word: str) -> str:
        """Return a longer word of consonants; other words give other words."""
        value = 0
        for character in word:
            value = value * _WORD_BASE + ord(character) - ord("a")
        value = self._permute(value, -len(word), _WORD_BASE ** len(word))
        length = math.ceil(len(word) * math.log(_WORD_BASE) / math.log(len(_CONSONANTS)))
        return _written(value, max(length, len(word) + 1))

    def _hashed(self, word: str, length: int) -> str:
        text = ""
        while len(text) < length:
            text += _written(self._hash(b"hashed", f"{len(text)} {word}", 32), 50)
        return text[:length]

    def _permute(self, value: int, domain: int, size: int, *, inverse: bool = False) -> int:
        """Return the place of a value in a secret permutation of the numbers below `size`.

        It is a Feistel network over the next larger power of four, repeated until its result is
        below `size`.
        """
        half = max(1, ((size - 1).bit_length() + 1) // 2)
        low = (1 << half) - 1
        rounds = range(_ROUNDS - 1, -1, -1) if inverse else range(_ROUNDS)
        while True:
            left, right = value >> half, value & low
            for number in rounds:
                if inverse:
                    salt = f"{domain} {number} {left}"
                    left, right = right ^ (self._hash(b"permute", salt, 8) & low), left
                else:
                    salt = f"{domain} {number} {right}"
                    left, right = right, left ^ (self._hash(b"permute", salt, 8) & low)
            value = left << half | right
            if value < size:
                return value

    def _hash(self, purpose: bytes, text: str, size: int) -> int:
        digest = blake2b(
            text.encode(errors="surrogatepass"), digest_size=size, key=self._key, person=purpose
        )
        return int.from_bytes(digest.digest())


def _written(value: int, length: int) -> str:
    characters: list[str] = []
    for _ in range(length):
        value, digit = divmod(value, len(_CONSONANTS))
        characters.append(_CONSONANTS[digit])
    return "".join(reversed(characters))
