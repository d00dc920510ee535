"""Every command has valid examples near the top of its help."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from ultraviolet.cli.main import commands
from ultraviolet.cli.support import help_layout

TREE = commands()


def every(path: str, command: Any) -> list[tuple[str, Any]]:
    below = [every(f"{path} {name}", one) for name, one in getattr(command, "commands", {}).items()]
    return [(path, command), *(each for one in below for each in one)]


def parse(typed: str) -> str:
    """Parse a command line with Typer; return the full command name. Raise for invalid options."""
    words = shlex.split(re.split(" [<>|] ", typed)[0], comments=True)
    command, path, rest = TREE, words[0], words[1:]
    while True:
        context = command.make_context(path, rest)
        below = getattr(command, "commands", None)
        if below is None:
            return path
        name, command, rest = command.resolve_command(
            context, context._protected_args + context.args
        )
        path = f"{path} {name}"


def test_every_command_has_valid_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ION_CLIENT_SECRET", "otherwise prompted for")
    (tmp_path / "events.jsonl").touch()

    commands_with_paths = every("ultraviolet", TREE)
    assert len(commands_with_paths) > 50
    for path, command in commands_with_paths:
        assert command.examples, path
        assert parse(command.examples[0]).startswith(path)
        assert all(map(parse, command.examples))


def test_example_with_invalid_option_is_detected() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse("ultraviolet fetch run --made up")


def test_help_shows_examples_before_options(capsys: pytest.CaptureFixture[str]) -> None:
    TREE.main(["object", "diff", "--help"], standalone_mode=False)
    shown = capsys.readouterr().out

    assert 0 < shown.index("Compare an object") < shown.index("Examples:") < shown.index("Options")
    assert "ultraviolet object diff purchase_orders 17 --from 7d" in shown


def test_split_returns_text_and_examples() -> None:
    text = "Do it.\n\n    Examples: `ultraviolet a`,\n    `ultraviolet b\n    --c`\n\n"
    text += "    And more.\n    "
    assert help_layout.split(text) == (
        "Do it.\n\n    And more.\n    ",
        ["ultraviolet a", "ultraviolet b --c"],
    )
