"""Settings as they are shown."""

import re
from pathlib import Path

import msgspec

import ultraviolet
from ultraviolet.cli.commands import config
from ultraviolet.hub.core.settings import Settings


def setting(name: str) -> config.Setting:
    return next(one for one in config.SETTINGS if one.name == name)


def test_every_setting_of_the_hub_is_shown() -> None:
    shown = {one.name for one in config.SETTINGS}

    assert {
        f"ULTRAVIOLET_{field.name.upper()}" for field in msgspec.structs.fields(Settings)
    } <= shown


def test_every_setting_that_is_read_is_shown() -> None:
    within = {
        "ULTRAVIOLET_SERVE_OPTIONS",
        "ULTRAVIOLET_CRASH_AT",
    }  # between processes, and for tests
    sources = [path.read_text() for path in Path(ultraviolet.__path__[0]).rglob("*.py")]
    read = {name for source in sources for name in re.findall(r'"(ULTRAVIOLET_[A-Z_]+)"', source)}

    assert read - within == {
        one.name for one in config.SETTINGS if one.name.startswith("ULTRAVIOLET")
    }


def test_a_secret_is_not_shown() -> None:
    shown = config.now(setting("ULTRAVIOLET_ADMIN_KEY"), {"ULTRAVIOLET_ADMIN_KEY": "hunter2"})

    assert shown.value == "(set)"
    assert shown.source == "environment"


def test_a_file_that_is_missing_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "key"
    name = "ULTRAVIOLET_SECRET_KEY"

    assert (
        config.now(setting(name), {f"{name}_FILE": str(path)}).source == "file that does not exist"
    )
    path.touch()
    assert config.now(setting(name), {f"{name}_FILE": str(path)}).source == "file"


def test_the_environment_wins_over_the_default() -> None:
    assert config.now(setting("ULTRAVIOLET_DATA"), {}).value == "ultraviolet-data"
    assert config.now(setting("ULTRAVIOLET_DATA"), {"ULTRAVIOLET_DATA": "/srv"}).value == "/srv"
