"""Results as a program and as a person read them."""

import json
import os
import pty
import re
import subprocess
import sys
import unicodedata
from contextlib import suppress

import pytest

from ultraviolet.cli.support import output
from ultraviolet.cli.support.exit import report
from ultraviolet.cli.support.session import Session
from ultraviolet.errors import InvalidError


def test_dig_follows_dots_and_stops_at_nothing() -> None:
    assert output.dig({"a": {"b": 1}}, "a.b") == 1
    assert output.dig({"a": None}, "a.b") is None


def test_table_piped_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_table(
        [{"name": "x" * 300, "ok": True, "none": None}],
        {"name": "name", "ok": "ok", "none": "none"},
    )

    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "ok", "none"]
    assert row.split() == ["x" * 300, "yes", "–"]


def test_pairs_write_nested_things_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_pairs({"id": 1, "api_url": "http://ion", "links": {"a": [1]}})

    assert capsys.readouterr().out.splitlines() == [
        "id       1",
        "api url  http://ion",
        'links    {"a":[1]}',
    ]


def test_what_somebody_has_written_does_not_command_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = "x\x1b]0;owned\x07\x1b[2J\r\x9b1my :warning:\u202e\u2066\u200f"
    output.write_table(
        [{"name": said, "more": {"x": "\x7f"}}], {"name": "name", "\x1bheading": "more"}
    )
    output.write_pairs({"name": said})
    Session(None, as_json=False).say(said)  # pyright: ignore[reportArgumentType]
    report(InvalidError(said))

    written, told = capsys.readouterr()
    assert 4 == (written + told).count(
        r"x\x1b]0;owned\x07\x1b[2J\r\x9b1my :warning:\u202e\u2066\u200f"
    )
    assert not [
        one for one in written + told if unicodedata.category(one) in ("Cc", "Cf") and one != "\n"
    ]


def test_a_line_break_makes_no_row_and_json_keeps_its_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = "one\nid  2\tforged\u202e\x9b"
    output.write_table([{"name": said}], {"name": "name"})
    assert [r"one\nid  2\tforged\u202e\x9b"] == capsys.readouterr().out.splitlines()[1:]

    output.write_json({"name": said})
    written = capsys.readouterr().out
    assert {"name": said} == json.loads(written)
    assert not [one for one in written if unicodedata.category(one) in ("Cc", "Cf") and one != "\n"]


COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-7]|4[0-7]|9[0-7])[0-9;]*m")


@pytest.mark.parametrize("arguments", [["config", "show"], ["object", "diff", "--help"]])
def test_on_a_terminal_it_fits_and_is_coloured_unless_one_asks_for_none(
    arguments: list[str],
) -> None:
    wide = on_a_terminal(arguments, COLUMNS="100")
    assert "\x1b[" in wide
    assert all(len(line) <= 100 for line in re.sub(r"\x1b\[[0-9;]*m", "", wide).splitlines())
    assert not COLOUR.search(on_a_terminal(arguments, COLUMNS="100", NO_COLOR="1"))


def test_piped_there_is_no_colour_at_all() -> None:
    command = [sys.executable, "-m", "ultraviolet", "object", "diff", "--help"]
    assert b"\x1b" not in subprocess.run(command, capture_output=True, check=True).stdout


def on_a_terminal(arguments: list[str], **environment: str) -> str:
    """What a command writes where its output is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "ultraviolet", *arguments],
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    ):
        os.close(theirs)
        pieces = []
        with suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 65536):
                pieces.append(piece)
    os.close(ours)
    return b"".join(pieces).decode()
