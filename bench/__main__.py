"""`python -m bench [NAME…] [--json]`: run benchmarks, print one table; exit code 1 where a budget is missed or a run is lossy."""

import argparse
import importlib
import sys
from collections.abc import Sequence

import msgspec
from rich.console import Console

from bench.frame import Benchmark, Figure, LossyRunError, Scale, show

BENCHMARKS = (
    "local-ion",
    "local-ion-changes",
    "local-ion-plant",
    "ingest",
    "apply",
    "ingest-during-fetch",
    "visible",
    "fetch",
    "verify",
    "freshness",
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
    parser.add_argument("--tiny", action="store_true", help="see whether it works; the figures mean nothing")
    parser.add_argument("--repeats", type=int, default=Scale().repeats)
    parser.add_argument("--size", type=float, default=1.0, help="measure so many times as much of everything")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    return _run(
        given.names or BENCHMARKS,
        TINY if given.tiny else Scale(given.repeats, given.size),
        as_json=given.json,
    )


def _run(names: Sequence[str], scale: Scale, *, as_json: bool) -> int:
    figures: list[Figure] = []
    lossy = False
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            figures.extend(_benchmark(name)(scale))
        except LossyRunError as error:
            lossy = True
            print(f"{name}: {error}", file=sys.stderr)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(figures)).decode())
    else:
        show(figures, Console(width=None if sys.stdout.isatty() else 140))
    return int(lossy or any(f.met is False for f in figures))


def _benchmark(name: str) -> Benchmark:
    return importlib.import_module(f"bench.{name.replace('-', '_')}").measure


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
