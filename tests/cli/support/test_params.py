"""What a person types for times and numbers, also where it makes no sense."""

import re

import pytest
from typer.testing import CliRunner

from ultraviolet.cli.commands.integrations import parse_days
from ultraviolet.cli.main import app
from ultraviolet.cli.support.params import parse_time
from ultraviolet.errors import InvalidError


def test_a_moment_is_a_time_or_how_long_ago() -> None:
    assert parse_time(None) is None
    assert "2026-11-24T21:00:00.000000+00:00" == parse_time("2026-11-24T22:00+01:00")
    assert re.match(r"20\d\d-", parse_time("2w") or "")


@pytest.mark.parametrize(
    "given", ["soon", "99999999999d", "999999w", "9" * 5000 + "s", "0001-01-01T00:00+05:00"]
)
def test_what_is_no_moment_is_said_so(given: str) -> None:
    with pytest.raises(InvalidError, match="is no time"):
        parse_time(given)


def test_how_long_something_is_kept_is_so_many_days() -> None:
    assert [90, 84, 730, None] == [parse_days(given) for given in ("90d", "12w", "2y", "for-ever")]


@pytest.mark.parametrize("given", ["long", "9" * 5000 + "y"])
def test_what_is_no_time_to_keep_something_is_said_so(given: str) -> None:
    with pytest.raises(InvalidError, match="is no time to keep"):
        parse_days(given)


def test_an_event_is_named_by_its_number() -> None:
    done = CliRunner().invoke(app, ["event", "replay", "abc"])
    assert 2 == done.exit_code
    assert "valid integer" in done.output
