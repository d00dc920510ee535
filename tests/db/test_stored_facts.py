"""Commands without a running hub use the public address of the hub that was started last."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ultraviolet.cli.main import app
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub

LINK = ["user", "link", "ada"]


async def start_and_stop(data: Path, url: str, public_url: str) -> None:
    hub = Hub.open(Settings(data, url, public_url))
    await hub.start()
    await hub.stop()
    hub.close()


def test_commands_use_the_address_of_the_last_started_hub(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ULTRAVIOLET_DATA", str(tmp_path))
    monkeypatch.setenv("ULTRAVIOLET_DATABASE_URL", store_url)
    assert CliRunner().invoke(app, ["user", "add", "ada"]).exit_code == 0
    assert "http://127.0.0.1:8000/sign-in/" in CliRunner().invoke(app, LINK).stdout
    for address in ("https://hub.example.com/uv", "https://hub.example.com"):
        asyncio.run(start_and_stop(tmp_path, store_url, address))
        assert f"{address}/sign-in/" in CliRunner().invoke(app, LINK).stdout
    monkeypatch.setenv("ULTRAVIOLET_PUBLIC_URL", "https://other.example.com")
    assert "https://other.example.com/sign-in/" in CliRunner().invoke(app, LINK).stdout
