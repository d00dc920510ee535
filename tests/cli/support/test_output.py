"""Results for programs and for people."""

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


def test_dig_returns_nested_values() -> None:
    assert output.dig({"a": {"b": 1}}, "a.b") == 1
    assert output.dig({"a": None}, "a.b") is None


def test_piped_table_is_not_truncated(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_table(
        [{"name": "x" * 300, "ok": True, "none": None}],
        {"name": "name", "ok": "ok", "none": "none"},
    )

    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "ok", "none"]
    assert row.split() == ["x" * 300, "yes", "–"]


def test_write_pairs_writes_nested_values_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_pairs({"id": 1, "api_url": "http://ion", "links": {"a": [1]}})
    output.write_pairs({"Work_order": ["WO-7", "WO-8"]}, labels=True)

    assert capsys.readouterr().out.splitlines() == [
        "id       1",
        "api url  http://ion",
        'links    {"a":[1]}',
        "Work_order  WO-7, WO-8",
    ]


def test_numbers_have_separators_for_people_and_none_for_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = {"seq": 12_345, "integration_id": 1234, "objects": 1_234_567, "share": 0.1 + 0.2}
    output.write_pairs(row)
    output.write_table([row], {"event": "seq", "objects": "objects"})
    output.write_table([row], {name: name for name in row}, keys=True)  # the values of SQL
    output.write_json(row)

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[:4]] == ["12345", "1234", "1,234,567", "0.3"]
    assert lines[5].split() == ["12345", "1,234,567"]
    assert lines[7].split() == ["12345", "1234", "1234567", "0.3"]
    assert '  "objects": 1234567,' in lines


def test_control_characters_in_data_are_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "x\x1b]0;owned\x07\x1b[2J\r\x9b1my :warning:\u202e\u2066\u200f"
    output.write_table(
        [{"name": text, "more": {"x": "\x7f"}}], {"name": "name", "\x1bheading": "more"}
    )
    output.write_pairs({"name": text})
    Session(None, as_json=False).say(text)  # pyright: ignore[reportArgumentType]
    report(InvalidError(text))

    out, err = capsys.readouterr()
    assert 4 == (out + err).count(r"x\x1b]0;owned\x07\x1b[2J\r\x9b1my :warning:\u202e\u2066\u200f")
    assert not [
        one for one in out + err if unicodedata.category(one) in ("Cc", "Cf") and one != "\n"
    ]


def test_line_breaks_are_escaped_in_tables_and_kept_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "one\nid  2\tforged\u202e\x9b"
    output.write_table([{"name": text}], {"name": "name"})
    assert [r"one\nid  2\tforged\u202e\x9b"] == capsys.readouterr().out.splitlines()[1:]

    output.write_json({"name": text})
    written = capsys.readouterr().out
    assert {"name": text} == json.loads(written)
    assert not [one for one in written if unicodedata.category(one) in ("Cc", "Cf") and one != "\n"]


COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-7]|4[0-7]|9[0-7])[0-9;]*m")


@pytest.mark.parametrize("arguments", [["config", "show"], ["object", "diff", "--help"]])
def test_terminal_output_fits_and_respects_no_color(
    arguments: list[str],
) -> None:
    wide = on_a_terminal(arguments, COLUMNS="100")
    assert "\x1b[" in wide
    assert all(len(line) <= 100 for line in re.sub(r"\x1b\[[0-9;]*m", "", wide).splitlines())
    assert not COLOUR.search(on_a_terminal(arguments, COLUMNS="100", NO_COLOR="1"))


def test_piped_output_has_no_color() -> None:
    command = [sys.executable, "-m", "ultraviolet", "object", "diff", "--help"]
    assert b"\x1b" not in subprocess.run(command, capture_output=True, check=True).stdout


def on_a_terminal(arguments: list[str], **environment: str) -> str:
    """Return the output of a command on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "ultraviolet", *arguments],
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    ):
        os.close(theirs)
        pieces = []
        with suppress(OSError):  # raised when the process has ended
            while piece := os.read(ours, 65536):
                pieces.append(piece)
    os.close(ours)
    return b"".join(pieces).decode()
