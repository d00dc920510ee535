"""`python -m bench [NAME…] [--json]`: run benchmarks and print one table.

The exit code is 1 if a benchmark fails, loses data or misses its budget.
"""

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
    "local-ion-fixture",
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
BY_NAME = ("peers",)
"""Benchmarks that install other programs, and run only if they are named."""
TINY = Scale(repeats=1, size=0.005)


def main(arguments: Sequence[str]) -> int:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"benchmarks to run (default: all but {', '.join(BY_NAME)}):"
        f" {', '.join(BENCHMARKS + BY_NAME)}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument(
        "--tiny",
        action="store_true",
        help="check that the benchmarks work; the figures have no meaning",
    )
    parser.add_argument(
        "--repeats", type=int, default=Scale().repeats, help="number of runs of each measurement"
    )
    parser.add_argument(
        "--size", type=float, default=1.0, help="multiply all amounts by this factor"
    )
    parser.add_argument("--store", choices=get_args(Name), help="measure on this database only")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS + BY_NAME]
    if unknown:
        known = ", ".join(BENCHMARKS + BY_NAME)
        parser.error(f"unknown benchmark {', '.join(unknown)}; choose from {known}")
    scale = TINY if options.tiny else Scale(options.repeats, options.size)
    scale = msgspec.structs.replace(scale, store=options.store)
    return _run(options.names or BENCHMARKS, scale, as_json=options.json)


def _run(names: Sequence[str], scale: Scale, *, as_json: bool) -> int:
    figures: list[Figure] = []
    failed: list[str] = []
    began = time.monotonic()
    try:
        for name in names:
            _report(f"{name} …")
            at = time.monotonic()
            measured = _figures(name, scale)
            if measured is None:
                failed.append(name)
            figures += measured or []
            _report(
                f"{name}: {time.monotonic() - at:.0f} s, {(time.monotonic() - began) / 60:.1f} min in total"
            )
    finally:  # an interrupted run prints its results so far
        if as_json:
            print(msgspec.json.format(msgspec.json.encode(figures)).decode(), flush=True)
        else:
            show(figures, Console(width=None if sys.stdout.isatty() else 140))
    if failed:
        _report(f"failed: {', '.join(failed)}")
    return int(bool(failed) or any(f.met is False for f in figures))


def _figures(name: str, scale: Scale) -> list[Figure] | None:
    """Run one benchmark; report a failure and return None."""
    try:
        return _benchmark(name)(scale)
    except (KeyboardInterrupt, SystemExit):
        raise
    except LossyRunError as error:
        _report(f"{name}: {error}")
    except BaseException as error:  # noqa: BLE001  the test harness raises subclasses of BaseException
        traceback.print_exc()
        _report(f"{name}: {error}")
    return None


def _benchmark(name: str) -> Benchmark:
    return importlib.import_module(f"bench.{name.replace('-', '_')}").measure


def _report(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
