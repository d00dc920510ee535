"""Results as a program and as a person read them."""

import pytest

from ultraviolet.cli import output


def test_dig_follows_dots_and_stops_at_nothing() -> None:
    assert output.dig({"a": {"b": 1}}, "a.b") == 1
    assert output.dig({"a": None}, "a.b") is None


def test_table_piped_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_table(
        [{"name": "x" * 300, "ok": True, "none": None}], {"name": "name", "ok": "ok", "none": "none"}
    )

    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "ok", "none"]
    assert row.split() == ["x" * 300, "yes", "–"]


def test_pairs_write_nested_things_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_pairs({"id": 1, "api_url": "http://ion", "links": {"a": [1]}})

    assert capsys.readouterr().out.splitlines() == ["id       1", "api url  http://ion", 'links    {"a":[1]}']
