"""Masked texts: consistent, different from each other, and without parts of the originals."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultraviolet.local_ion.sandbox.text_masking import TextMask

MASK = TextMask("a key")
WORDS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=30)


@given(st.text(max_size=60))
def test_same_text_has_the_same_replacement(text: str) -> None:
    assert TextMask("a key").text(text) == MASK.text(text)


@given(st.text(max_size=60), st.text(max_size=60))
def test_different_texts_have_different_replacements(one: str, other: str) -> None:
    assert (MASK.text(one) == MASK.text(other)) == (one == other)


@given(st.text(min_size=1, max_size=60))
def test_only_punctuation_and_spaces_of_ascii_remain(text: str) -> None:
    masked = MASK.text(text)
    kept = [c for c in masked if not c.isascii() and not c.isspace()]
    assert kept == []


@given(WORDS)
def test_word_is_never_its_own_replacement(word: str) -> None:
    if not word.isdigit() or len(word) <= 6:
        assert MASK.text(word) != word


@pytest.mark.parametrize("size", [1, 2, 3])
def test_all_short_numbers_are_permuted(size: int) -> None:
    numbers = [str(n).zfill(size) for n in range(10**size)]
    masked = [MASK.text(number) for number in numbers]

    assert sorted(masked) == numbers
    assert all(one != other for one, other in zip(numbers, masked, strict=True))


def test_replacement_of_a_word_has_its_case_and_no_vowels() -> None:
    masked = MASK.text("Jane DOE wrote")

    first, second, third = masked.split()
    assert first.istitle()
    assert second.isupper()
    assert third.islower()
    assert not set(masked.lower()) & set("aeiou")
    assert MASK.text("JANE doe").lower().split() == [first.lower(), second.lower()]


def test_masked_addresses_are_valid_and_have_no_recipient() -> None:
    name, _, host = MASK.text("jane.doe@acme-parts.com").partition("@")
    link = MASK.text("see https://wiki.acme-parts.com:8443/Jane?q=1")

    assert name == MASK.text("jane.doe")
    assert host.endswith(".example")
    assert link.split()[1].startswith("https://")
    assert ".example:" in link
    assert host.split(".")[0] in link


def test_html_keeps_its_tags() -> None:
    masked = MASK.text('<p>Call <b>Jane</b><img src="https://acme.com/jane.png"></p>')

    assert masked.startswith("<p>")
    assert "<b>" in masked
    assert "</b><img " in masked
    assert "Jane" not in masked
    assert "acme" not in masked


def test_other_key_gives_other_replacements() -> None:
    assert TextMask("another key").text("Titanium") != MASK.text("Titanium")
    assert TextMask().text("Titanium") != TextMask().text("Titanium")


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_price_changes_unless_it_is_zero(price: float) -> None:
    masked = MASK.number(price)

    assert (masked == price) == (price == 0)
    assert type(masked) is type(price)
    assert MASK.number(price) == masked


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_masked_coordinates_are_valid(value: float) -> None:
    assert -90 <= MASK.degrees(value) <= 90
