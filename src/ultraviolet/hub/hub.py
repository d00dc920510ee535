"""The hub: one object that holds what a process of it works with, made at the edge and handed down."""

import asyncio
import contextlib
import functools
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import urlsplit

import aiohttp
import msgspec
import structlog
from sqlalchemy import Connection

from ultraviolet import clock
from ultraviolet.codecs import prepare_codecs
from ultraviolet.db import dialect, engine
from ultraviolet.db.database import Database, StoreUnavailableError
from ultraviolet.errors import ConflictError, InvalidError
from ultraviolet.files import ensure_private_dir
from ultraviolet.hub.accounts import oidc
from ultraviolet.hub.accounts.sso import RoleRules
from ultraviolet.hub.alerts.service import AlertService
from ultraviolet.hub.alerts.transports import mail_server
from ultraviolet.hub.core import audit, metrics
from ultraviolet.hub.core.egress import LOOPBACK, EgressPolicy
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.log_throttle import OutageLog
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.health import freshness, heartbeat, maintenance, restore_detection
from ultraviolet.hub.health.freshness import Circumstances, Freshness
from ultraviolet.hub.health.watchdog import Watchdog
from ultraviolet.hub.ingest import event_files
from ultraviolet.hub.ingest.event_files import ImportResult, Line
from ultraviolet.hub.ingest.service import IngestService
from ultraviolet.hub.ingest.spool import Spool
from ultraviolet.hub.integrations import schema_changes
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.connection_test import TestResult
from ultraviolet.hub.integrations.deletion import IntegrationDeleter
from ultraviolet.hub.integrations.models import Credentials, Integration
from ultraviolet.hub.runtime import retention
from ultraviolet.hub.runtime.controllers import Controllers
from ultraviolet.hub.runtime.field_indexer import FieldIndexer
from ultraviolet.hub.runtime.leases import Role, command_duties_of, create_leases
from ultraviolet.hub.runtime.one_off import Requested
from ultraviolet.hub.runtime.scheduler import Scheduler
from ultraviolet.hub.runtime.search_indexer import SearchIndexer
from ultraviolet.hub.sync import fetch, replay, verification_store
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.fetch import Mode
from ultraviolet.hub.sync.ion_reader import IonReader
from ultraviolet.hub.sync.recently_viewed import RecentlyViewed
from ultraviolet.hub.sync.replay import Range, Replayed
from ultraviolet.hub.sync.verify import Verifier
from ultraviolet.ion.catalog import Catalog, load_catalog
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.queries import OfferedSchema

if TYPE_CHECKING:
    from ultraviolet.hub.runtime.pg_notify import PgNotify

_LOOK_AGAIN = 5.0
"""Seconds after which integrations are looked at again, for changes that nobody told of."""
_LOOK_AGAIN_FOR_DUTIES = 1.0
"""The same where other processes may die and leave their duties."""

_ASK_AGAIN = 0.1
_LIMITED_SECONDS = 120.0
"""Seconds after an answer of 429 in which what waits is explained by it."""

_FILES = ("hub.db*", "hub.json", "secret.key", "secret.[0-9]*")
"""What a hub writes into its data folder."""

_LOOK, _WAKE, _ATTEND = "look", "wake:", "attend:"
"""Kinds of messages between processes that are not for pages: look at the integrations, wake a controller, read an
object first."""

log = structlog.get_logger()


class Write(Protocol):
    """A way to write to the database."""

    async def __call__(self, work: Callable[[Connection], str], /) -> str:
        """Run `work` in a transaction."""
        ...


class Hub:
    """One process of a hub: its database, its contract, its connections and its controllers."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        catalog: Catalog,
        secrets: SecretBox,
        role: Role = "all",
        *,
        one_off: bool = False,
    ) -> None:
        self.settings = settings
        self.database = database
        self.catalog = catalog
        self.secrets = secrets
        self.role: Role = role
        self.changes = PubSub()
        self._duties = create_leases(database.engine, "web" if one_off else role)
        self._requested = Requested(command_duties_of(database.engine)) if one_off else None
        self._messenger: PgNotify | None = None
        self._spool = None if one_off else _spool(settings)
        self.ingest = IngestService(
            database, catalog, secrets, self.changes, self._event_came, self._spool
        )
        self.controllers: dict[int, Controllers] = {}
        self.field_indexes = FieldIndexer(database)
        self._indexer = SearchIndexer(database, catalog, self.changes, self.controllers.keys)
        self._alarm = AlertService(self)
        self._setting_up: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._attention: defaultdict[int, RecentlyViewed] = defaultdict(RecentlyViewed)
        self._known: dict[int, str] = {}
        self._lookout = Scheduler(database)
        self._noted: dict[int, str | None] = {}
        self._noted_at = float("-inf")
        self._beaten_at: str | None = None
        self._clients: dict[int, tuple[Integration, IonClient]] = {}
        self._session: aiohttp.ClientSession | None = None
        self.targets = EgressPolicy(
            settings.allowed_targets or _on_this_machine(settings.public_url)
        )
        self.provider, self.provider_rules = self._single_sign_on(settings)
        self._keeper: asyncio.Task[None] | None = None
        self._retention: asyncio.Task[None] | None = None
        self._leaving = IntegrationDeleter(database, self.changes)
        self._look = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._restarts: set[asyncio.Task[None]] = set()

    @classmethod
    def open(cls, settings: Settings, role: Role = "all", *, one_off: bool = False) -> Self:
        """Open the database, bring it up to date, and read the contract.

        A `one_off` hub belongs to one command: it does what the API is asked for and nothing else. No controller,
        watchdog, alert, retention, indexer or spool starts.

        Raises InvalidError for a role that needs other processes, where the database is for one, where the data
        cannot be kept, and for the address of a mail server that makes no sense.
        """
        prepare_codecs()
        ensure_private_dir(settings.data, _FILES)
        secrets = SecretBox.from_settings(settings)
        if settings.smtp_url:
            mail_server(settings.smtp_url)
        if role != "all" and not engine.parse_url(settings.database_url).drivername.startswith(
            "postgresql"
        ):
            raise InvalidError(
                f"Role {role} needs PostgreSQL: a hub on SQLite is one process, of role all"
            )
        database = Database.open(settings.database_url)
        return cls(settings, database, load_catalog(), secrets, role, one_off=one_off)

    @property
    def data(self) -> Path:
        """The folder of this hub."""
        return self.settings.data

    @property
    def public_url(self) -> str:
        """Where ION reaches this hub."""
        return self.settings.public_url

    async def start(self) -> None:
        """Take deliveries and start the controllers of the integrations that fall to this process."""
        if self._requested is None:
            await self.database.read(heartbeat.advance_clock)
            seen = await asyncio.to_thread(restore_detection.last_seen, self.data)
            await self._beat(self.database.write, seen, starts=True)
        if dialect.is_postgresql(self.database.engine):
            from ultraviolet.hub.runtime.pg_notify import PgNotify  # noqa: PLC0415  psycopg takes 10 MB; only its users pay

            self._messenger = PgNotify(engine.libpq_url(self.database.engine.url), self._heard)
            self._messenger.start()
            self.changes.carry = self._messenger.say
        if self._requested is not None:
            return
        await self.ingest.refresh()
        self.ingest.drain()
        await self.reload()
        await self._note_maintenance()
        self._keeper = asyncio.create_task(self._keep_up(), name="integrations")
        if self.role != "web":
            keeper = retention.Purger(self.database, self.changes)
            self._retention = asyncio.create_task(keeper.forever(), name="retention")
            self._indexer.start()
        self._leaving.start()
        self._alarm.start()

    async def stop(self) -> None:
        """Finish what has begun; what remains is in the tables."""
        for task in filter(None, (self._keeper, self._retention)):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for task in self._restarts:  # what one begins would outlive the hub
            task.cancel()
        await asyncio.gather(*self._restarts, return_exceptions=True)
        if self._requested is not None:
            await self._requested.stop()
        await self.field_indexes.settled()
        await self._alarm.stop()
        await self._indexer.stop()
        await self._leaving.stop()
        await self._rest()
        await self.ingest.close()
        self.changes.close()
        if self._messenger:
            await self._messenger.stop()
        if self._session:
            await self._session.close()

    @property
    def follows(self) -> bool:
        """Whether this process goes on following the integrations, as it does from its start to its end."""
        return self._keeper is None or not self._keeper.done()

    def close(self) -> None:
        """Let go of the database and the spool."""
        self.database.close()
        if self._spool:
            self._spool.close()

    async def client(self, integration_id: int) -> IonClient:
        """Return the client of an integration; heal, fetch, verify and set-up share its budget."""
        return self._client(*await self.database.read(self._signing_in, integration_id))

    def _signing_in(
        self, connection: Connection, integration_id: int
    ) -> tuple[Integration, Credentials | None]:
        """Read an integration and, unless there is a client for it, what signs in."""
        found = integrations.get(connection, integration_id)
        known = self._clients.get(integration_id)
        if known and known[0].updated_at == found.updated_at:
            return found, None
        return found, integrations.credentials(connection, self.secrets, integration_id)

    def _client(self, found: Integration, signs_in: Credentials | None) -> IonClient:
        known = self._clients.get(found.id)
        if known and (signs_in is None or known[0].updated_at == found.updated_at):
            return known[1]
        assert signs_in
        client = integrations.make_client(signs_in, found.requests_per_second, self._http())
        self._clients[found.id] = (found, client)
        return client

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = self.targets.session()
        return self._session

    def _single_sign_on(self, settings: Settings) -> tuple[oidc.Provider | None, RoleRules]:
        if not settings.oidc_issuer:
            return None, RoleRules()
        known_as = oidc.Client(
            settings.oidc_issuer,
            settings.oidc_client_id,
            settings.oidc_client_secret,
            settings.oidc_roles_claim,
        )
        told = {
            "roles": settings.oidc_roles,
            "default_role": settings.oidc_default_role or None,
            "domains": settings.oidc_domains,
        }
        return oidc.Provider(known_as, self._http, self.targets.check), msgspec.convert(
            told, RoleRules
        )

    async def site(self, integration_id: int) -> SyncContext:
        """Return what reads an integration and keeps its mirror."""

        def look(connection: Connection) -> tuple[Integration, Credentials | None, OfferedSchema]:
            offered = integrations.offered_schema(connection, self.catalog, integration_id)
            return *self._signing_in(connection, integration_id), offered

        integration, signs_in, offered = await self.database.read(look)
        client = self._client(integration, signs_in)
        catalog = self.catalog.following(integration.resources)
        read_schema = functools.partial(schema_changes.read_again, self, integration_id)
        reader = IonReader(client, catalog, offered, read_schema)
        attention = self._attention[integration_id]
        return SyncContext(self.database, catalog, integration_id, reader, self.changes, attention)

    def setting_up(self, integration_id: int) -> asyncio.Lock:
        """Return the lock that lets one at a time set up an integration in ION."""
        return self._setting_up[integration_id]

    def attend(self, integration_id: int, resource: str, id_: str) -> None:
        """Note that somebody looks at an object: if it is stale, it is read first, by whoever has the duties."""
        self._attention[integration_id].give(resource, id_)
        if self._messenger and integration_id not in self.controllers:
            self._messenger.say(f"{_ATTEND}{resource}:{id_}", integration_id)
        self._wake(integration_id, "heal")

    async def test(self, integration_id: int) -> TestResult:
        """Test a connection; the controllers go on with what this ION turned out to offer."""
        result = await integrations.test(self, integration_id)
        # In a task of its own: who asks may be the watchdog, which is one of those that end by it.
        restart = asyncio.create_task(self._restart(integration_id), name="restart")
        self._restarts.add(restart)
        restart.add_done_callback(self._restarts.discard)
        self.changes.publish("integration", integration_id)
        await asyncio.shield(restart)
        return result

    async def remove(self, actor: str, which: Callable[[Connection], int]) -> None:
        """Remove an integration with all it brought; of a big one the rest goes after this returned."""

        def work(connection: Connection) -> None:
            integrations.remove(connection, actor, which(connection))

        await self.database.write(work)
        await self.integrations_changed()
        await self.ingest.refresh()
        await self._leaving.begin()

    async def start_fetch(
        self, integration_id: int, mode: Mode, actor: str, *, accept_absence: bool = False
    ) -> int:
        """Ask for a fetch; the controller does it. `accept_absence` lets it delete however many objects are gone.

        Raises ConflictError while the integration is paused: nothing of its ION is read then.
        """

        def ask(connection: Connection) -> int:
            found = integrations.get(connection, integration_id)
            if found.paused:
                raise ConflictError(f"“{found.name}” is paused; resume it, then fetch.")
            audit.record(
                connection,
                actor,
                "fetch.start",
                found.name,
                {"mode": mode, "accept_absence": accept_absence},
            )
            return fetch.request_fetch(
                connection, integration_id, mode, actor, accept_absence=accept_absence
            )

        fetch_id = await self.database.write(ask)
        self._wake(integration_id, "fetch")
        if self._requested is not None:
            self._requested.begin(
                integration_id,
                functools.partial(self._fetch, integration_id, fetch_id, mode),
                lambda: self.database.read(fetch.is_running, fetch_id),
                lambda why: self.database.write(fetch.fail, fetch_id, why),
            )
        self.changes.publish("fetch", integration_id, id=fetch_id)
        return fetch_id

    async def verify(
        self, integration_id: int, actor: str, *, wait: bool = True, sample: int | None = None
    ) -> int:
        """Ask for a comparison of mirror and ION; returns its number, when it is over if so asked.

        Raises ConflictError while the integration is paused: nothing of its ION is read then.
        """
        found = await self.database.read(integrations.get, integration_id)
        if found.paused:
            raise ConflictError(f"“{found.name}” is paused; resume it, then verify.")

        def ask(connection: Connection) -> int:
            audit.record(connection, actor, "verification.start", found.name, {"sample": sample})
            return verification_store.request(connection, integration_id, actor, sample)

        number = await self.database.write(ask)
        self._begin_verify(integration_id, number)
        while wait and await self._verifying(number):  # noqa: ASYNC110  another process may be doing it
            await asyncio.sleep(_ASK_AGAIN)
        return number

    async def _fetch(self, integration_id: int, fetch_id: int, mode: Mode) -> None:
        await fetch.Fetcher(await self.site(integration_id)).run(fetch_id, mode)

    def _begin_verify(self, integration_id: int, number: int) -> None:
        self._wake(integration_id, "verify")
        if self._requested is not None:
            self._requested.begin(
                integration_id,
                functools.partial(self._verify, integration_id, number),
                lambda: self._verifying(number),
                lambda why: self.database.write(verification_store.fail, number, why),
            )

    async def _verify(self, integration_id: int, number: int) -> None:
        await Verifier(await self.site(integration_id)).run(number)

    async def _verifying(self, number: int) -> bool:
        return await self.database.read(verification_store.state_of, number) == "running"

    def freshness(self, connection: Connection, integration: Integration) -> Freshness:
        """Judge how much the mirror of an integration can be trusted now."""
        at_work = self.controllers.get(integration.id)
        problem = at_work.problem if at_work else maintenance.problem_of(connection, integration.id)
        unmaintained = maintenance.unmaintained_since(
            connection, integration.id, integration.updated_at
        )
        if self._keeper is None and at_work:
            unmaintained = None
        known = Circumstances(
            clock.utc_now(),
            problem,
            heals=self.settings.heal,
            trouble=self.database.trouble,
            spooled=self.ingest.spooled,
            unmaintained_since=unmaintained,
            limited=self._is_limited(integration.id),
        )
        return freshness.judge_freshness(
            connection, self.catalog.following(integration.resources), integration, known
        )

    def _is_limited(self, integration_id: int) -> bool:
        known = self._clients.get(integration_id)
        return known is not None and time.monotonic() - known[1].limited_at < _LIMITED_SECONDS

    async def resume_verify(self, verification_id: int) -> None:
        """Let a failed comparison go on where it stopped."""
        integration_id = await self.database.write(verification_store.resume, verification_id)
        self._begin_verify(integration_id, verification_id)

    async def replay(self, actor: str, wanted: Range, *, dry_run: bool = False) -> Replayed:
        """Let a range of events go through the live path again, or tell what that would change."""
        found = await self.database.read(replay.select_events, wanted)
        if not dry_run:
            given = {
                name: said
                for name, said in msgspec.structs.asdict(wanted).items()
                if said is not None
            }
            count = sum(map(len, found.values()))
            await self.database.write(audit.record, actor, "event.replay", f"{count} events", given)
        do = replay.preview_replay if dry_run else replay.replay_events
        parts = [await do(await self.site(id_), seqs) for id_, seqs in found.items()]
        if not dry_run:
            log.info("event.replayed", actor=actor, **msgspec.structs.asdict(wanted))
            for integration_id in found:
                self._wake(integration_id, "heal")
                self.changes.publish("event", integration_id)
        return replay.sum_results(parts, dry_run=dry_run)

    async def import_events(
        self, integration_id: int, actor: str, lines: Sequence[Line]
    ) -> ImportResult:
        """Take in events that another hub recorded; they go through the live path."""

        def work(connection: Connection) -> ImportResult:
            name = integrations.get(connection, integration_id).name
            done = event_files.import_lines(connection, self.catalog, integration_id, lines)
            audit.record(connection, actor, "event.import", name, {"added": done.added})
            return done

        done = await self.database.write(work)
        log.info("event.imported", integration_id=integration_id, actor=actor, added=done.added)
        self._wake(integration_id, "apply")
        return done

    async def reload(self) -> None:
        """Let controllers follow the integrations: new, changed, paused, resumed and removed ones."""
        async with self._reloading:
            running = await self.database.read(integrations.list_active)
            mine = await self._duties.claim(set(running))
            wanted = {id_: changed for id_, changed in running.items() if id_ in mine}
            for id_ in [*self.controllers]:
                if wanted.get(id_) != self._known[id_]:
                    await self.controllers.pop(id_).stop()
            await self._duties.let_go(mine)
            new = wanted.keys() - self.controllers.keys()
            for id_ in new:
                self._known[id_] = wanted[id_]
                self.controllers[id_] = self._controllers(id_)
            for id_ in new:
                self.controllers[id_].start()
            metrics.set_active_integrations(len(self.controllers))
        await self._lookout.look(self.controllers, self._wake, new=bool(new))

    def _controllers(self, integration_id: int) -> Controllers:
        """Make the controllers of an integration; what healing is off for is to see what webhooks alone would leave."""
        heals = self.settings.heal
        open_site = functools.partial(self.site, integration_id)
        beside = functools.partial(len, self.controllers)
        watch = self._watch if heals else None
        return Controllers(
            integration_id,
            self.changes,
            open_site,
            watch,
            watch_seconds=self.settings.watch_seconds,
            heal=heals,
            beside=beside,
        )

    def _watch(self, site: SyncContext) -> Watchdog:
        return Watchdog(self, self.ingest, site, functools.partial(self._wake, site.id))

    async def integrations_changed(self) -> None:
        """Have every process follow a change of integrations; return when this one does."""
        if self._messenger:
            self._messenger.say(_LOOK, 0)
        await self.reload()

    async def _keep_up(self) -> None:
        """Look each second whether there is something to do, and now and then whom for."""
        beaten = reloaded = time.monotonic()
        pause = _LOOK_AGAIN_FOR_DUTIES if self._messenger else _LOOK_AGAIN
        complaint = OutageLog("integrations.not_followed", "integrations.followed_again")
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), _LOOK_AGAIN_FOR_DUTIES)
            asked = self._look.is_set()
            self._look.clear()
            try:
                if time.monotonic() - beaten > heartbeat.EVERY:
                    beaten = time.monotonic()
                    await self._beat(self.database.write_delivery, self._beaten_at)
                if asked or time.monotonic() - reloaded >= pause:
                    reloaded = time.monotonic()
                    await self.reload()
                    await self._note_maintenance()
                else:
                    await self._lookout.look(self.controllers, self._wake)
                complaint.over()
            except StoreUnavailableError as error:
                complaint.failed(error)
                await self._rest()  # another process may have the duties once the database is back
            except Exception as error:
                log.warning("integrations.not_followed", error=str(error), exc_info=True)

    async def _beat(self, write: Write, seen: str | None, *, starts: bool = False) -> None:
        """Note that this hub lives, after a look whether the database is still the one that was last written."""

        def work(connection: Connection) -> str:
            moment = clock.now_rfc3339()
            restore_detection.check(connection, seen)
            return heartbeat.record_heartbeat(connection, moment, starts=starts)

        self._beaten_at = await write(work)
        await asyncio.to_thread(restore_detection.note_seen, self.data, self._beaten_at)

    async def _note_maintenance(self) -> None:
        """Note which integrations this process maintains and what it meets, at once where that has changed."""
        ended = [id_ for id_, at_work in self.controllers.items() if not at_work.are_alive]
        for id_ in ended:
            log.error("controllers.ended", integration_id=id_)
            await self._restart(id_)
        found = {id_: at_work.problem for id_, at_work in self.controllers.items()}
        due = time.monotonic() - self._noted_at >= maintenance.NOTE_SECONDS
        if found and (due or found != self._noted):
            self._noted_at = time.monotonic()
            await self.database.write(maintenance.note, found)
        self._noted = found

    async def _rest(self) -> None:
        """Leave all duties; what was begun is finished first."""
        async with self._reloading:
            await asyncio.gather(*(c.stop() for c in self.controllers.values()))
            self.controllers.clear()
            metrics.set_active_integrations(0)
            await self._duties.close()

    async def _restart(self, integration_id: int) -> None:
        async with self._reloading:
            controllers = self.controllers.pop(integration_id, None)
            if controllers:
                await controllers.stop()
        await self.reload()

    def _event_came(self, integration_id: int) -> None:
        self._wake(integration_id, "apply")

    def _wake(self, integration_id: int, name: str) -> None:
        controllers = self.controllers.get(integration_id)
        if controllers:
            controllers.wake(name)
        elif self._messenger:
            self._messenger.say(_WAKE + name, integration_id)

    def _heard(self, kind: str, integration_id: int) -> None:
        """Take what another process says."""
        if kind == _LOOK:
            self._look.set()
        elif kind.startswith(_WAKE):
            controllers = self.controllers.get(integration_id)
            if controllers:
                controllers.wake(kind.removeprefix(_WAKE))
        elif kind.startswith(_ATTEND):
            resource, _, id_ = kind.removeprefix(_ATTEND).partition(":")
            self._attention[integration_id].give(resource, id_)
        else:
            self.changes.hear(kind, integration_id)


def _on_this_machine(public_url: str) -> Sequence[str]:
    """Where a hub may send requests to though not public: to its own machine, while it serves nobody else."""
    return LOOPBACK if urlsplit(public_url).hostname in ("localhost", "127.0.0.1", "::1") else ()


def _spool(settings: Settings) -> Spool | None:
    return Spool(settings.spool, settings.spool_megabytes * 1_000_000) if settings.spool else None
