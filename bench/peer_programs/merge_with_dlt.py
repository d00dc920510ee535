"""Merge JSON lines into PostgreSQL with dlt, as rows or as one Arrow table.

`python merge_with_dlt.py DATABASE_URL rows|arrow FIRST SECOND` loads the first file, then merges
the second on the primary key. It prints the seconds of the second run by the clock, and the
processor seconds of this process and its children.
"""

# pyright: basic, reportMissingImports=false

import json
import os
import sys
import time
from pathlib import Path

import dlt
import pyarrow as pa


def merge(pipeline: dlt.Pipeline, path: str, form: str) -> tuple[float, float]:
    """Merge the documents of a file; return seconds by the clock and of the processor."""
    rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
    data = pa.Table.from_pylist(rows) if form == "arrow" else rows
    began, spent = time.perf_counter(), sum(os.times()[:4])
    load = pipeline.run(
        data,
        table_name="purchase_orders",
        write_disposition="merge",
        primary_key="id",
        loader_file_format="csv" if form == "arrow" else None,
    )
    load.raise_on_failed_jobs()
    return time.perf_counter() - began, sum(os.times()[:4]) - spent


def main(database: str, form: str, *paths: str) -> None:
    """Load both files in turn."""
    made = dlt.pipeline(
        f"bench_{form}",
        pipelines_dir=os.environ["DLT_DATA_DIR"],
        destination=dlt.destinations.postgres(database),
        dataset_name=f"dlt_{form}",
    )
    for path in paths:
        measured = merge(made, path, form)
    print(*measured)


if __name__ == "__main__":
    main(*sys.argv[1:])
