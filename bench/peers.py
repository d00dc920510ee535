"""`peers`: installs @supabase/stripe-sync-engine and dlt, and measures them and the hub in turn.

The engine upserts the objects of signed webhooks into PostgreSQL, without events and history. dlt
merges documents on a primary key into PostgreSQL, without history and checks. Needs Node.js, npm,
and access to the registries of npm and PyPI.
"""

import hmac
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from sqlalchemy import Connection, select
from tests.conftest import make_start_hub

from bench.apply import BATCH, document, read_now
from bench.deliveries import acknowledged
from bench.frame import Budget, Figure, Scale, expect, figure
from bench.hooks_server import set_up, set_up_beside
from bench.ingest import MORE_CONNECTIONS, turn_of
from bench.processes import ServerProcess, processor_seconds, run_server
from bench.stores import query_row, stores
from bench.visible import until_visible
from bench.wire import Flood, written
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.mirror.apply import apply

PROGRAMS = Path(__file__).parent / "peer_programs"
ENGINE = ("@supabase/stripe-sync-engine@0.48.5", "fastify@5.12.8", "stripe@19.3.1")
DLT = ("dlt[postgres]==1.31.0", "pyarrow==22.0.0")
SECRET = "whsec_of_the_benchmark"
OBJECTS = 2000
DOCUMENTS = 50_000
INSTALL_SECONDS = 600


class _Sides(msgspec.Struct):
    """The runs of one comparison: rates by the clock, and per second of processor time."""

    clock: list[float]
    processor: list[float]

    def add(self, clock: float, processor: float) -> None:
        """Add a run."""
        self.clock.append(clock)
        self.processor.append(processor)


def measure(scale: Scale) -> list[Figure]:
    """Install the peers, and measure all programs in turn on one PostgreSQL."""
    with tempfile.TemporaryDirectory() as directory, stores("postgresql") as found:
        folder, new = Path(directory), found["postgresql"]
        return [
            *_webhooks(folder, lambda: new(folder), scale),
            *_documents(folder, lambda: new(folder), scale),
        ]


def _webhooks(folder: Path, new: Callable[[], str], scale: Scale) -> list[Figure]:
    number = scale.amount(6000, MORE_CONNECTIONS * 2)
    engine_url, hooks_url, hub_url = new(), new(), new()
    for name in ("engine", "hooks", "hub"):
        (folder / name).mkdir()
    names = ("engine", "ingest", "visible")
    runs = {name: _Sides([], []) for name in names}
    token = set_up_beside(folder / "hub", hub_url)
    with ExitStack() as stack:
        engine = stack.enter_context(run_engine(folder / "engine", engine_url))
        hooks = stack.enter_context(
            run_server("bench.hooks_server", [str(folder / "hooks"), hooks_url])
        )
        hub = make_start_hub(stack, lambda _: folder / "hub")(
            data=folder / "hub", store_url=hub_url
        )
        whole = ServerProcess(f"{hub.url}/hooks/{token}", hub.child.process.pid)
        for turn in range(scale.repeats + 1):
            first = 1 + turn * number
            spent = processor_seconds(engine.pid)
            flood = engine_flood(engine.address, first, number)
            spent = processor_seconds(engine.pid) - spent
            kept = turn_of(hooks, first, number, MORE_CONNECTIONS)
            core, clock = until_visible(hub_url, whole, first, number, MORE_CONNECTIONS)
            if turn:
                runs["engine"].add(flood.rate, number / spent)
                runs["ingest"].add(kept.flood.rate, kept.per_processor_second)
                runs["visible"].add(clock, core)
    total = number * (scale.repeats + 1)
    expect("events", (total,), query_row(hooks_url, "SELECT count(*) FROM events"))
    products = query_row(engine_url, "SELECT count(*) FROM stripe.products")
    expect("products of the engine", (min(OBJECTS, total),), products)
    note = f"{MORE_CONNECTIONS} connections, one process, by the clock"
    return [
        _compared("ingest", "deliveries/s", runs["ingest"], runs["engine"], 2.5, note),
        _compared(
            "visible with history", "deliveries/s", runs["visible"], runs["engine"], 1.3, note
        ),
    ]


def _compared(
    name: str, unit: str, hub: _Sides, peer: _Sides, at_least: float, note: str
) -> Figure:
    per_second = f"{median(hub.processor):,.0f} and {median(peer.processor):,.0f}"
    return figure(
        f"peers: {name}",
        "postgresql",
        unit,
        hub.clock,
        baseline=peer.clock,
        budget=Budget("at least", at_least),
        note=f"{note}; per second of processor time without PostgreSQL: {per_second}",
    )


@contextmanager
def run_engine(folder: Path, database: str) -> Generator[ServerProcess]:
    """Install the engine and run it."""
    _run(["npm", "install", "--no-audit", "--no-fund", *ENGINE], folder)
    shutil.copy(PROGRAMS / "engine.cjs", folder)
    command = ["node", "engine.cjs", database, SECRET]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield ServerProcess(process.stdout.readline().strip(), process.pid)
        finally:
            process.terminate()


def engine_flood(url: str, first: int, number: int) -> Flood:
    """Send signed updates of products, which are as large as the deliveries to the hub."""
    moment = int(time.time())
    sent: list[bytes] = []
    for event in range(first, first + number):
        product: dict[str, Any] = {
            "id": f"prod_{event % OBJECTS:08}",
            "object": "product",
            "active": True,
            "name": "Fasteners and seals for the second engine",
            "description": f"As agreed by telephone, change {event}",
            "metadata": {"order": str(event)},
            "created": moment,
            "updated": moment,
            "images": [],
            "livemode": False,
        }
        content = msgspec.json.encode(
            {
                "id": f"evt_{event:016}",
                "object": "event",
                "api_version": "2020-08-27",
                "created": moment + event // OBJECTS,
                "type": "product.updated",
                "livemode": False,
                "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None},
                "data": {"object": product},
            }
        )
        signed = hmac.digest(SECRET.encode(), f"{moment}.".encode() + content, "sha256").hex()
        sent.append(written(url, content, {"stripe-signature": f"t={moment},v1={signed}"}))
    return acknowledged(url, sent, MORE_CONNECTIONS)


def _documents(folder: Path, new: Callable[[], str], scale: Scale) -> list[Figure]:
    count = scale.amount(DOCUMENTS, BATCH)
    paths: list[Path] = []
    for number in (1, 2):
        paths.append(folder / f"documents-{number}.jsonl")
        lines = (msgspec.json.encode(document(id_, number)) for id_ in range(1, count + 1))
        paths[-1].write_bytes(b"\n".join(lines))
    python = folder / "dlt" / "bin" / "python"
    _run([sys.executable, "-m", "venv", str(folder / "dlt")], folder)
    _run([str(python), "-m", "pip", "install", "--quiet", *DLT], folder)
    forms = ("rows", "arrow")
    runs = {name: _Sides([], []) for name in ("hub", *forms)}
    for turn in range(scale.repeats):
        (folder / f"applied-{turn}").mkdir()
        runs["hub"].add(*_applied(folder / f"applied-{turn}", new(), count))
        for form in forms:
            database = new()
            # dlt requires a host and a password; the socket in the query has priority.
            named = database.replace("postgres:@/", "postgres:none@localhost/")
            given = [named, form, *map(str, paths)]
            environment = {"DLT_DATA_DIR": str(folder / f"dlt-{form}-{turn}")}
            printed = _run(
                [str(python), str(PROGRAMS / "merge_with_dlt.py"), *given], folder, environment
            )
            clock, processor = map(float, printed.splitlines()[-1].split())
            runs[form].add(count / clock, count / processor)
            query = f"SELECT count(*) FROM dlt_{form}.purchase_orders"
            expect("merged documents", (count,), query_row(database, query))
    note = f"{count:,} changed documents, by the clock"
    return [
        _compared("documents, dlt with rows", "documents/s", runs["hub"], runs["rows"], 2, note),
        _compared(
            "documents, dlt with Arrow", "documents/s", runs["hub"], runs["arrow"], 0.5, note
        ),
    ]


def _applied(data: Path, database: str, count: int) -> tuple[float, float]:
    """Apply new documents, then changed ones; return the rates of the changed ones."""
    hub = Hub.open(Settings(data=data, database_url=database, public_url="http://127.0.0.1"))
    set_up(hub)

    def only_id(connection: Connection) -> int:
        return connection.execute(select(integrations.c.id)).scalar_one()

    integration = hub.database.read_now(only_id)
    clock = processor = 0.0
    for number in (1, 2):
        documents = [document(id_, number) for id_ in range(1, count + 1)]
        began, spent = time.perf_counter(), time.process_time()
        for start in range(0, count, BATCH):
            _apply(hub, integration, documents[start : start + BATCH], number)
        clock, processor = time.perf_counter() - began, time.process_time() - spent
    versions = query_row(database, "SELECT count(*) FROM versions")
    hub.close()
    expect("versions", (2 * count,), versions)
    return count / clock, count / processor


def _apply(hub: Hub, integration: int, documents: Sequence[dict[str, Any]], number: int) -> None:
    seen = read_now(documents, first=number == 1)
    hub.database.write_now(lambda connection: apply(connection, hub.catalog, integration, seen))


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command, and return what it prints."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=INSTALL_SECONDS,
    ).stdout
