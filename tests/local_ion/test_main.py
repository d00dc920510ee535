"""`python -m ultraviolet.local_ion`: its options, and the packages that it needs."""

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import typer
import yaml

from ultraviolet.cli.commands import ion
from ultraviolet.local_ion.__main__ import parse_options
from ultraviolet.local_ion.server import ServeOptions

ROOT = Path(__file__).parents[2]
HUB_OPTIONS = {"--from-hub", "--key", "--integration", "--mask", "--mask-key"}
LOADED = """
import json, sys
sys.modules["rich"] = None
import ultraviolet.local_ion.__main__, ultraviolet.testing.local_ion_process, ultraviolet.log_config
import ultraviolet.local_ion.server, ultraviolet.local_ion.http.app, ultraviolet.local_ion.webhooks.post
found = [m for m in list(sys.modules.values()) if "site-packages" in (getattr(m, "__file__", "") or "")]
print(json.dumps(sorted({m.__name__.partition(".")[0] for m in found})))
"""


def test_options_are_those_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options(["--help"])
    names = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    command = typer.main.get_command(ion.app).commands["serve"]  # pyright: ignore[reportAttributeAccessIssue]
    given = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}

    assert given - names == HUB_OPTIONS
    assert names - given == {"--no-tls"}


def test_options_have_the_defaults_of_the_command_line(tmp_path: Path) -> None:
    assert parse_options([]) == ServeOptions(data=Path("local-ion-data"))
    given = parse_options(
        f"--data {tmp_path} --port 0 --no-plant --tls --time-limit 2 --no-quirk a --no-quirk b"
        " --from-file x.db".split()
    )
    assert given == ServeOptions(
        data=tmp_path,
        port=0,
        plant=False,
        tls=True,
        time_limit=2.0,
        no_quirk=("a", "b"),
        from_file=Path("x.db"),
    )


def test_compose_file_has_valid_options() -> None:
    file = yaml.safe_load((ROOT / "deploy/local-ion.compose.yaml").read_text())
    service = file["services"]["local-ion"]

    assert service["entrypoint"] == ["python", "-m", "ultraviolet.local_ion"]
    assert parse_options(service["command"]).port == 8100
    assert service["ports"] == ["127.0.0.1:8100:8100"]


def test_documented_packages_are_those_that_it_imports() -> None:
    document = (ROOT / "docs/local-ion.md").read_text()
    _, _, rest = document.partition("pip install --no-deps ultraviolet\npip install ")
    listed = {
        re.split("[<>=]", name)[0] for name in re.findall(r"[\w.<>=,-]+", rest.split("```")[0])
    }
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    distributions = packages_distributions()
    imported = {distributions[name][0].lower() for name in json.loads(done.stdout)}

    direct = {"aiohttp", "cryptography", "graphql-core", "httptools", "jinja2", "litestar"}
    direct |= {"msgspec", "pyjwt", "stamina", "structlog", "trustme", "uvicorn"}
    assert listed == direct
    assert direct <= imported | {"jinja2", "trustme"}  # imported for a page or for TLS
    hub_only = {"sqlalchemy", "alembic", "psycopg", "typer", "httpx", "argon2-cffi", "cronsim"}
    assert not imported & (hub_only | {"rich", "markdown-it-py", "prometheus-client"})
