"""Counts with their noun, and suggestions for mistyped names, commands and options."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ultraviolet.cli.main import app
from ultraviolet.errors import UltravioletError
from ultraviolet.hub.accounts import users
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.text import counted, did_you_mean


def test_count_has_the_right_noun() -> None:
    assert [counted(n, "delivery", "deliveries") for n in (0, 1, 2_000)] == [
        "0 deliveries",
        "1 delivery",
        "2,000 deliveries",
    ]
    assert (counted(1, "object"), counted(2, "object")) == ("1 object", "2 objects")


@pytest.fixture
def runner(tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Return a runner of commands on a stopped hub with two integrations and a user."""
    hub = Hub.open(Settings(tmp_path, store_url, "http://hub.test"))
    for name in ("plant-1", "plant-2"):
        new = NewIntegration(name, "http://127.0.0.1:9", "http://127.0.0.1:9", "id", "secret")
        hub.database.write_now(integrations.create, hub.secrets, "test", new)
    hub.database.write_now(users.create_user, "test", "ada", "admin")
    hub.close()
    monkeypatch.setenv("ULTRAVIOLET_DATA", str(tmp_path))
    monkeypatch.setenv("ULTRAVIOLET_DATABASE_URL", store_url)
    return CliRunner()


NAMES = {
    "integration show plnt-2": "plant-2",
    "object list purchase_order_linse --integration plant-1": "purchase_order_lines",
    "user link adaa": "ada",
    "sql 'SELECT * FROM ion_prts'": "ion_parts",
    "sql 'SELECT part_numbr FROM ion_parts'": "part_number",
    "integration add x --environment prodction --client-id a --client-secret b": "production",
}


def test_similar_name_is_suggested(runner: CliRunner) -> None:
    for command, suggestion in NAMES.items():
        error = runner.invoke(app, command).exception
        assert isinstance(error, UltravioletError), (command, error)
        assert "Did you mean" in str(error), command
        assert suggestion in str(error).partition("Did you mean")[2]


@pytest.mark.parametrize(
    ("command", "suggestion"),
    [("objcet list", "object"), ("fetch rnu", "run"), ("fetch run --mod full", "--mode")],
)
def test_similar_command_or_option_is_suggested(command: str, suggestion: str) -> None:
    done = CliRunner().invoke(app, command)
    assert 2 == done.exit_code
    assert suggestion in done.output


def test_dissimilar_name_gets_no_suggestion() -> None:
    assert did_you_mean("quite another", ["plant-1"]) == ""
    assert did_you_mean("PLANT-1", ["plant-1", "plant-2"]) == " Did you mean plant-1 or plant-2?"
