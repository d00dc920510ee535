"""PgBouncer in front of the PostgreSQL server of the tests."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ultraviolet.child_process import free_port


@contextmanager
def pooled(program: str, url: str, mode: str, **settings: str) -> Generator[str]:
    """Run PgBouncer in front of a database; yield the address of the database through it."""
    parts = urlsplit(url)
    name, port = parts.path.strip("/"), free_port()
    host = parse_qs(parts.query)["host"][0]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "users.txt").write_text('"postgres" ""\n')
        given = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(port),
            "unix_socket_dir": "",
            "auth_type": "any",
            "auth_file": f"{folder}/users.txt",
            "pool_mode": mode,
            "default_pool_size": "20",
            **settings,
        }
        lines = [f"{key} = {value}" for key, value in given.items()]
        file = Path(folder) / "pgbouncer.ini"
        database = f"* = host={host} user=postgres"
        file.write_text("\n".join(["[databases]", database, "[pgbouncer]", *lines, ""]))
        command = [*_as_owner_of(Path(host)), program, "--quiet", str(file)]
        with subprocess.Popen(command) as process:
            try:
                _wait(process, port)
                yield f"postgresql://postgres@127.0.0.1:{port}/{name}"
            finally:
                process.kill()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, "PgBouncer ended"
            assert time.monotonic() < deadline, "PgBouncer does not answer"
            time.sleep(0.02)
        else:
            return


def _as_owner_of(folder: Path) -> list[str]:
    """Return the beginning of a command line as the user of PostgreSQL, as PgBouncer refuses to run as root."""
    if os.geteuid() != 0:
        return []
    owner = folder.stat()
    return ["setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups", "--"]
