"""A substitute for systemd in tests: passes a socket to a hub, and waits until it is ready."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.conftest import HubProcess

GIVEN = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "ultraviolet", *sys.argv[2:]])"""


class Service:
    """Runs a hub as systemd does, with socket activation and readiness notification."""

    def __init__(self, folder: Path, store_url: str | None, python: str = sys.executable) -> None:
        self.python = python
        self.process: subprocess.Popen[bytes] | None = None
        self.folder = folder
        self.data = folder / "data"
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listening.getsockname()[1]
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.bind(str(folder / "notify"))
        self.told.settimeout(60)
        self.store_url = store_url
        self.environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(folder / "notify"),
            # One address sends all deliveries; while the hub restarts, they wait in the socket.
            "ULTRAVIOLET_CONNECTIONS_PER_SOURCE": "0",
        }

    def start(self, *options: str) -> HubProcess:
        """Start the hub and wait for its readiness notification."""
        command = [self.python, "-c", GIVEN, str(self.listening.fileno()), "serve"]
        command += ["--port", str(self.port), "--data", str(self.data), *options]
        with (self.folder / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                pass_fds=[self.listening.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment
                | ({"ULTRAVIOLET_DATABASE_URL": self.store_url} if self.store_url else {}),
            )
        mine = ["READY=1", f"MAINPID={self.process.pid}"]
        while self.told.recv(100).decode().split() != mine:  # a reload may have sent one before
            pass
        return HubProcess(f"http://127.0.0.1:{self.port}", self.process, self.data, self.store_url)

    def stop(self) -> None:
        """Stop the hub in order, if it runs."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(30) == 0

    def close(self) -> None:
        """Stop the hub and close the sockets."""
        self.stop()
        self.told.close()
        self.listening.close()
