"""Programs that tests need and no wheel contains; installed from Debian packages if absent."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

PACKAGES = {"chromium": "chromium", "pgbouncer": "pgbouncer", "nginx": "nginx-light"}
"""Package of each program. A fixture of the same name provides the program to tests."""

_OTHER_NAMES = {"chromium": ("chromium-browser", "google-chrome", "google-chrome-stable")}
_SEARCH_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
"""Servers are in folders that a user without administrative rights may not have in PATH."""


def program(name: str) -> str:
    """Return the path of a program, installed if absent. Raise AssertionError if that failed."""
    install([name])
    found = find(name)
    assert found is not None, (
        f"{name} is absent and could not be installed. "
        f"Install the package {PACKAGES[name]} and run the tests again."
    )
    return found


def find(name: str) -> str | None:
    """Return the path of a program, or None if it is not installed."""
    names = (name, *_OTHER_NAMES.get(name, ()))
    paths = (shutil.which(each, path=_SEARCH_PATH) for each in names)
    return next((path for path in paths if path), None)


def install(names: Iterable[str]) -> None:
    """Install the absent programs with one run of apt-get; other test processes wait for it."""
    names = sorted(set(names))
    if all(map(find, names)) or shutil.which("apt-get") is None:
        return
    with (Path(tempfile.gettempdir()) / f"ultraviolet-tests-apt-{os.geteuid()}.lock").open(
        "w"
    ) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        packages = [PACKAGES[name] for name in names if find(name) is None]
        if packages:
            _apt_get("update")
            # The exit code does not matter: an installed server may fail to start on a used port.
            _apt_get("install", "-y", "--no-install-recommends", *packages)


def _apt_get(*arguments: str) -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    command = [*sudo, "apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, check=False, capture_output=True, env=environment)
