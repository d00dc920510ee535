"""The commands of the guides work unchanged on a hub that was installed from its wheel."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import make_url
from tests.conftest import send, wait_for
from tests.service_manager import Service

import ultraviolet
from ultraviolet.cli.support.connection import find_running

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/how-to/back-up-and-upgrade.md"
NEW = "99.0.0"
LOSS = 'systemctl stop ultraviolet; rm -rf "$ULTRAVIOLET_DATA"/hub.db* "$ULTRAVIOLET_DATA/secret.key"\n'


def wheel(folder: Path, version: str) -> Path:
    """Build a release from this tree under a version."""
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("src", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    module = folder / "src/ultraviolet/__init__.py"
    module.write_text(module.read_text().replace(f'"{ultraviolet.__version__}"', f'"{version}"'))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    [made] = (folder / "dist").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The current release and a newer one."""
    folder = tmp_path_factory.mktemp("releases")
    return wheel(folder / "old", ultraviolet.__version__), wheel(folder / "new", NEW)


@contextmanager
def service_manager(run: Service) -> Iterator[str]:
    """Execute the actions of `systemctl`; yield the address that it calls."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            given = self.rfile.read(int(self.headers["content-length"])).decode()
            run.store_url = given or run.store_url
            match self.path:
                case "/start":
                    run.start()
                case "/stop":
                    run.stop()
                case "/reload":
                    before = find_running(run.data)
                    assert run.process
                    run.process.send_signal(signal.SIGHUP)
                    wait_for(
                        lambda: (now := find_running(run.data)) and now != before, 90, "reloaded"
                    )
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def program(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\nexec {command}\n")
    path.chmod(0o755)


def test_documented_backup_restore_and_upgrade_work(
    tmp_path: Path, store_url: str, request: Any, releases: tuple[Path, Path], start_ion: Any
) -> None:
    old, new = releases
    installed = tmp_path / "opt"
    venv.create(installed, symlinks=True)
    [site] = installed.glob("lib/*/site-packages")
    (site / "dependencies.pth").write_text(next(p for p in sys.path if p.endswith("site-packages")))
    python, uv = installed / "bin/python", Path(sys.executable).parent / "uv"
    program(installed / "bin/pip", f'{uv} pip "$@" --quiet --no-deps --offline --python {python}')
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("ULTRAVIOLET_", "PYTHON"))
    }
    subprocess.run([installed / "bin/pip", "install", old], check=True, env=environment)

    run = Service(tmp_path, store_url if "postgresql" in store_url else None, str(python))
    request.addfinalizer(run.close)
    run.environment = environment | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    empty = f"sqlite:///{run.data / 'hub.db'}"
    if "postgresql" in store_url:
        empty = request.getfixturevalue("postgresql").empty_database()
    ion = start_ion()
    hub = run.start()
    integration = hub.connect(ion)
    hub.fetch(integration)
    wait_for(lambda: hub.at_rest(ion, integration), 60, "all is applied")
    summary = f"/integrations/{integration['id']}/freshness"
    before = hub.api("GET", summary)["summary"]["objects"]
    (tmp_path / "backups").mkdir()
    (tmp_path / "keys").mkdir()

    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    blocks.insert(next(n for n, block in enumerate(blocks) if "systemctl stop" in block), LOSS)
    with service_manager(run) as at:
        program(
            installed / "bin/systemctl",
            f'curl -sSf -X POST --data "$ULTRAVIOLET_DATABASE_URL" {at}/"$1"',
        )
        given = {
            "PATH": f"{installed / 'bin'}:{environment['PATH']}",
            "ULTRAVIOLET_DATA": str(run.data),
            "ULTRAVIOLET_DATABASE_URL": run.store_url or "",
            "EMPTY_DATABASE_URL": empty,
            "BACKUPS": str(tmp_path / "backups"),
            "KEYS": str(tmp_path / "keys"),
            "RELEASE": str(new),
        }
        script = "set -eux\n" + "\n".join(blocks)
        done = subprocess.run(
            ["bash", "-c", script],
            env=environment | given,
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert len(blocks) == 6
    live = msgspec.json.decode(send("GET", f"{hub.url}/livez")[1])
    assert live["version"] == NEW
    now = find_running(run.data)
    assert now
    hub.key = now.key
    assert hub.api("GET", summary)["summary"]["objects"] == before > 100
    assert (run.data / "secret.key").read_text() != (tmp_path / "keys/secret.key").read_text()
    if "postgresql" in store_url:
        assert make_url(run.store_url or "").database == make_url(empty).database
