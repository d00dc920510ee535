"""`ultraviolet sql` against a hub's database."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ultraviolet.hub.hub import Hub
from ultraviolet.hub.settings import Settings

Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Run `ultraviolet sql` on the database of a new hub."""
    settings = Settings(tmp_path, f"sqlite:///{tmp_path / 'hub.db'}", "http://hub.test")
    Hub.open(settings).close()

    def run(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ultraviolet", "sql", "--data", str(tmp_path), *arguments],
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_a_query_is_answered_as_json(ask: Ask) -> None:
    done = ask("--json", "SELECT count(*) AS n FROM ion_parts")
    assert '[\n  {\n    "n": 0\n  }\n]\n' == done.stdout, done.stderr


def test_a_query_is_answered_as_csv(ask: Ask) -> None:
    assert "n,t\n1,a%b\n" == ask("--format", "csv", "SELECT 1 AS n, 'a%b' AS t").stdout


def test_the_shell_takes_queries_of_several_lines(ask: Ask) -> None:
    done = ask(typed="SELECT 'four'\n|| 'teen' AS word;\n\\d ion_parts\n\\q\n")
    assert "fourteen" in done.stdout, done.stderr
    assert "Part.partNumber" in done.stdout


def test_a_wrong_query_says_what_the_database_says(ask: Ask) -> None:
    done = ask("SELECT missing_one")
    assert (2, "ultraviolet: The database says: no such column: missing_one\n") == (
        done.returncode,
        done.stderr,
    )


def test_nothing_can_be_written(ask: Ask) -> None:
    assert "readonly database" in ask("DELETE FROM objects").stderr


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "mysql"])
def test_a_database_that_does_not_answer_is_said_in_words(
    ask: Ask, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ULTRAVIOLET_DATABASE_URL", f"{scheme}://u@127.0.0.1:1/x")
    done = ask("SELECT 1")
    says = {"mysql": (2, "is not supported")}.get(scheme, (6, "could not be opened"))
    assert (says[0], True) == (done.returncode, says[1] in done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_no_database_is_no_traceback(ask: Ask, tmp_path: Path) -> None:
    done = ask("--data", str(tmp_path / "nowhere"), "SELECT 1")
    assert (4, "ultraviolet: There is no database at") == (done.returncode, done.stderr[:36])
