"""Concurrent first decoding of a type, as at the start of a hub under load."""

import subprocess
import sys
from pathlib import Path

from ultraviolet.codecs import list_unprepared
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.web.app import create_app

EIGHT_THREADS = """
import sys, threading
import msgspec

sys.setswitchinterval(1e-6)
THREADS = 8
DOCUMENT = b'{"name": "x", "middle1": {"leaf1": [{"field1": 1}]}}'

def new_type():
    leaf = msgspec.defstruct("Leaf", [(f"field{n}", int, 0) for n in range(20)])
    middle = msgspec.defstruct("Middle", [(f"leaf{n}", list[leaf], []) for n in range(20)])
    optional = [(f"middle{n}", middle | None, None) for n in range(20)]
    return msgspec.defstruct("Outer", [("name", str), *optional])

for _ in range(300):
    kind = new_type()
    barrier = threading.Barrier(THREADS)
    names = []

    def decode():
        barrier.wait()
        names.append(msgspec.json.decode(DOCUMENT, type=kind).name)

    threads = [threading.Thread(target=decode) for _ in range(THREADS)]
    for each in threads: each.start()
    for each in threads: each.join()
    assert names == ["x"] * THREADS
"""


def test_eight_threads_decode_a_new_nested_struct() -> None:
    """msgspec 0.22 crashes here."""
    done = subprocess.run(
        [sys.executable, "-c", EIGHT_THREADS],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_hub_prepares_every_type_before_start(tmp_path: Path) -> None:
    hub = Hub.open(Settings(tmp_path, f"sqlite:///{tmp_path / 'hub.db'}", "http://hub.test"))
    create_app(hub)
    assert list_unprepared() == []
    hub.close()
