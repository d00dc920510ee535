"""`python -m bench [NAME…] [--json]`: run benchmarks, print one table; exit code 1 where a budget is missed or a run is lossy."""

import argparse
import importlib
import sys
import time
import traceback
from collections.abc import Sequence
from typing import get_args

import msgspec
from rich.console import Console

from bench.frame import Benchmark, Figure, LossyRunError, Scale, show
from bench.stores import Name

BENCHMARKS = (
    "local-ion",
    "local-ion-changes",
    "local-ion-plant",
    "ingest",
    "ingest-processes",
    "apply",
    "ingest-during-fetch",
    "visible",
    "fetch",
    "verify",
    "freshness",
    "memory",
    "growth",
    "scale",
    "pages",
    "start",
)
TINY = Scale(repeats=1, size=0.01)


def main(arguments: Sequence[str]) -> int:
    """Run what is named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; all without one"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument(
        "--tiny", action="store_true", help="see whether it works; the figures mean nothing"
    )
    parser.add_argument("--repeats", type=int, default=Scale().repeats)
    parser.add_argument(
        "--size", type=float, default=1.0, help="measure so many times as much of everything"
    )
    parser.add_argument("--store", choices=get_args(Name), help="measure on this one only")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(
            f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}"
        )
    scale = TINY if given.tiny else Scale(given.repeats, given.size)
    scale = msgspec.structs.replace(scale, store=given.store)
    return _run(given.names or BENCHMARKS, scale, as_json=given.json)


def _run(names: Sequence[str], scale: Scale, *, as_json: bool) -> int:
    figures: list[Figure] = []
    failed: list[str] = []
    began = time.monotonic()
    try:
        for name in names:
            _say(f"{name} …")
            at = time.monotonic()
            made = _figures(name, scale)
            if made is None:
                failed.append(name)
            figures += made or []
            _say(
                f"{name}: {time.monotonic() - at:.0f} s, {(time.monotonic() - began) / 60:.1f} min in all"
            )
    finally:  # a run that is broken off shows what it has
        if as_json:
            print(msgspec.json.format(msgspec.json.encode(figures)).decode(), flush=True)
        else:
            show(figures, Console(width=None if sys.stdout.isatty() else 140))
    if failed:
        _say(f"failed: {', '.join(failed)}")
    return int(bool(failed) or any(f.met is False for f in figures))


def _figures(name: str, scale: Scale) -> list[Figure] | None:
    """Run one benchmark; what goes wrong in it is told, and the others go on."""
    try:
        return _benchmark(name)(scale)
    except (KeyboardInterrupt, SystemExit):
        raise
    except LossyRunError as error:
        _say(f"{name}: {error}")
    except BaseException as error:  # noqa: BLE001  the tests' harness, which starts the hubs, fails with one of these
        traceback.print_exc()
        _say(f"{name}: {error}")
    return None


def _benchmark(name: str) -> Benchmark:
    return importlib.import_module(f"bench.{name.replace('-', '_')}").measure


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
