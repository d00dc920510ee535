"""Times, periods and numbers on the command line, valid and invalid."""

import re

import pytest
from typer.testing import CliRunner

from ultraviolet.cli.commands.integrations import parse_days
from ultraviolet.cli.main import app
from ultraviolet.cli.support.params import parse_time
from ultraviolet.errors import InvalidError


def test_parse_time_accepts_timestamps_and_ages() -> None:
    assert parse_time(None) is None
    assert "2026-11-24T21:00:00.000000+00:00" == parse_time("2026-11-24T22:00+01:00")
    assert re.match(r"20\d\d-", parse_time("2w") or "")


@pytest.mark.parametrize(
    "text", ["soon", "99999999999d", "999999w", "9" * 5000 + "s", "0001-01-01T00:00+05:00"]
)
def test_invalid_time_is_rejected(text: str) -> None:
    with pytest.raises(InvalidError, match="is not a valid time"):
        parse_time(text)


def test_parse_days_accepts_days_weeks_years_and_forever() -> None:
    assert [90, 84, 730, None] == [parse_days(text) for text in ("90d", "12w", "2y", "forever")]


@pytest.mark.parametrize("text", ["long", "9" * 5000 + "y"])
def test_invalid_period_is_rejected(text: str) -> None:
    with pytest.raises(InvalidError, match="is not a valid period"):
        parse_days(text)


def test_event_number_must_be_an_integer() -> None:
    done = CliRunner().invoke(app, ["event", "replay", "abc"])
    assert 2 == done.exit_code
    assert "valid integer" in done.output
