"""`ultraviolet config show`."""

import re
from pathlib import Path

import msgspec

import ultraviolet
from ultraviolet.cli.commands import config
from ultraviolet.hub.core.settings import Settings


def setting(name: str) -> config.Setting:
    return next(one for one in config.SETTINGS if one.name == name)


def test_config_lists_every_hub_setting() -> None:
    shown = {one.name for one in config.SETTINGS}

    assert {
        f"ULTRAVIOLET_{field.name.upper()}" for field in msgspec.structs.fields(Settings)
    } <= shown


def test_config_lists_every_variable_that_the_source_reads() -> None:
    internal = {
        "ULTRAVIOLET_SERVE_OPTIONS",
        "ULTRAVIOLET_CRASH_AT",
        "ULTRAVIOLET_ENDS_WITH_INPUT",
    }  # between processes, and for tests
    sources = [path.read_text() for path in Path(ultraviolet.__path__[0]).rglob("*.py")]
    read = {name for source in sources for name in re.findall(r'"(ULTRAVIOLET_[A-Z_]+)"', source)}

    assert read - internal == {
        one.name for one in config.SETTINGS if one.name.startswith("ULTRAVIOLET")
    }


def test_secret_values_are_masked() -> None:
    shown = config.current_value(
        setting("ULTRAVIOLET_ADMIN_KEY"), {"ULTRAVIOLET_ADMIN_KEY": "hunter2"}
    )

    assert shown.value == "(set)"
    assert shown.source == "environment"


def test_missing_secret_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "key"
    name = "ULTRAVIOLET_SECRET_KEY"

    assert (
        config.current_value(setting(name), {f"{name}_FILE": str(path)}).source
        == "file that does not exist"
    )
    path.touch()
    assert config.current_value(setting(name), {f"{name}_FILE": str(path)}).source == "file"


def test_environment_overrides_default() -> None:
    assert config.current_value(setting("ULTRAVIOLET_DATA"), {}).value == "ultraviolet-data"
    assert (
        config.current_value(setting("ULTRAVIOLET_DATA"), {"ULTRAVIOLET_DATA": "/srv"}).value
        == "/srv"
    )
