"""A service manager for a hub in tests: it holds the socket, hands it over, and waits until the hub is ready."""

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
    """What systemd is to the hub: it holds the socket, hands it over, and is told when the hub is ready."""

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
        self.environment = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify")}

    def start(self, *options: str) -> HubProcess:
        """Start it, and wait until it says that it is ready."""
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
        while self.told.recv(100).decode().split() != mine:  # a reload may have told before
            pass
        return HubProcess(f"http://127.0.0.1:{self.port}", self.process, self.data, self.store_url)

    def stop(self) -> None:
        """Ask it to end, which it does in order; nothing where it has."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(30) == 0

    def close(self) -> None:
        """End it all."""
        self.stop()
        self.told.close()
        self.listening.close()
