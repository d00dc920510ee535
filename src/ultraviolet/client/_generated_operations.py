"""The operations of the API, a method each: generated whole, so as long as the document is."""

# Written by `make client` from the OpenAPI document; do not edit.

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from ultraviolet.client._generated_models import (
    AddedDestination,
    Alert,
    ApiKey,
    AuditEntry,
    ChangeList,
    Comparison,
    CoreFindingsFinding,
    CreatedKey,
    CreatedUrl,
    Destination,
    Difference,
    DifferenceDetail,
    DriftReport,
    DriftSample,
    Event,
    EventDetail,
    Fetch,
    FetchDetail,
    IndexResult,
    Integration,
    IntegrationFreshness,
    Me,
    ObjectAt,
    ObjectDetail,
    Overview,
    Replayed,
    ResourceCount,
    Retention,
    RotatedUrl,
    SavedView,
    SelectableResource,
    Session,
    SetupResult,
    SignInLink,
    Status,
    TestResult,
    User,
    Verification,
    VersionDetail,
    WebhookUrl,
)
from ultraviolet.client.transport import Transport
from ultraviolet.text import path_segment


class Operations(Transport):
    """A hub's API, operation by operation."""

    def list_integrations(self, *, limit: int | None = None) -> Iterator[Integration]:
        """List integrations in the order they were added."""
        return self._items("/integrations", (Integration,), limit, {})

    def create_integration(
        self,
        *,
        name: str,
        api_url: str,
        auth_url: str,
        client_id: str,
        client_secret: str,
        incremental_schedule: str | UnsetType = UNSET,
        full_schedule: str | UnsetType = UNSET,
        requests_per_second: int | UnsetType = UNSET,
        resources: Sequence[str] | None | UnsetType = UNSET,
    ) -> Integration:
        """Connect to an ION; test it next."""
        return self._ask(
            "POST",
            "/integrations",
            (Integration,),
            body={
                "name": name,
                "api_url": api_url,
                "auth_url": auth_url,
                "client_id": client_id,
                "client_secret": client_secret,
                "incremental_schedule": incremental_schedule,
                "full_schedule": full_schedule,
                "requests_per_second": requests_per_second,
                "resources": resources,
            },
        )

    def get_integration(self, integration: str | int) -> Integration:
        """Read one integration by number or name."""
        return self._ask("GET", f"/integrations/{path_segment(integration)}", (Integration,))

    def delete_integration(self, integration: str | int, *, if_match: str | None = None) -> None:
        """Forget an integration with its URLs, events, objects and their history.

        A big one is there for some minutes more, paused and under a name that says that it is being removed.
        """
        self._tell(
            "DELETE", f"/integrations/{path_segment(integration)}", headers={"If-Match": if_match}
        )

    def update_integration(
        self,
        integration: str | int,
        *,
        name: str | UnsetType = UNSET,
        api_url: str | UnsetType = UNSET,
        auth_url: str | UnsetType = UNSET,
        client_id: str | UnsetType = UNSET,
        client_secret: str | UnsetType = UNSET,
        incremental_schedule: str | UnsetType = UNSET,
        full_schedule: str | UnsetType = UNSET,
        requests_per_second: int | UnsetType = UNSET,
        resources: Sequence[str] | None | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> Integration:
        """Change what is given; the rest stays."""
        return self._ask(
            "PATCH",
            f"/integrations/{path_segment(integration)}",
            (Integration,),
            body={
                "name": name,
                "api_url": api_url,
                "auth_url": auth_url,
                "client_id": client_id,
                "client_secret": client_secret,
                "incremental_schedule": incremental_schedule,
                "full_schedule": full_schedule,
                "requests_per_second": requests_per_second,
                "resources": resources,
            },
            headers={"If-Match": if_match},
        )

    def test_integration(self, integration: str | int) -> TestResult:
        """Test the connection: who the key is, what it may read, and what is wrong in words."""
        return self._ask("POST", f"/integrations/{path_segment(integration)}/test", (TestResult,))

    def pause_integration(self, integration: str | int) -> Integration:
        """Stop reading from this ION; deliveries are still kept."""
        return self._ask("POST", f"/integrations/{path_segment(integration)}/pause", (Integration,))

    def resume_integration(self, integration: str | int) -> Integration:
        """Go on where it was paused."""
        return self._ask(
            "POST", f"/integrations/{path_segment(integration)}/resume", (Integration,)
        )

    def get_freshness(self, integration: str | int) -> IntegrationFreshness:
        """Tell in one sentence whether the mirror can be trusted now, why not, and for each resource what proved it when."""
        return self._ask(
            "GET", f"/integrations/{path_segment(integration)}/freshness", (IntegrationFreshness,)
        )

    def list_integration_resources(
        self, integration: str | int, *, limit: int | None = None
    ) -> Iterator[SelectableResource]:
        """List every resource that can be mirrored, by domain: whether it is chosen, and how many objects there are.

        Choose others with `resources` of the integration itself.
        """
        return self._items(
            f"/integrations/{path_segment(integration)}/resources", (SelectableResource,), limit, {}
        )

    def get_setup(self, integration: str | int) -> Overview:
        """Tell how far set-up has come, what is wanted and what is there, and the exact texts for doing it by hand."""
        return self._ask("GET", f"/integrations/{path_segment(integration)}/setup", (Overview,))

    def run_setup(
        self,
        integration: str | int,
        *,
        mode: Literal["automatic", "by_hand"] | UnsetType = UNSET,
        receiver_id: str | int | None | UnsetType = UNSET,
        wanted: Sequence[tuple[str, str]] | None | UnsetType = UNSET,
        remove_extra: bool | UnsetType = UNSET,
    ) -> SetupResult | Overview:
        """Set up or repair through ION's API, or take over a receiver made by hand; repeating it changes nothing.

        Automatic set-up mints a webhook URL of its own where no receiver is known yet, because the address of one
        that was minted before is not kept.
        """
        return self._ask(
            "POST",
            f"/integrations/{path_segment(integration)}/setup",
            (
                SetupResult,
                Overview,
            ),
            body={
                "mode": mode,
                "receiver_id": receiver_id,
                "wanted": wanted,
                "remove_extra": remove_extra,
            },
        )

    def list_webhook_urls(
        self, integration: str | int, *, limit: int | None = None
    ) -> Iterator[WebhookUrl]:
        """List the URLs of an integration, newest first."""
        return self._items(
            f"/integrations/{path_segment(integration)}/webhook-urls", (WebhookUrl,), limit, {}
        )

    def create_webhook_url(
        self, integration: str | int, *, name: str | UnsetType = UNSET
    ) -> CreatedUrl:
        """Mint a URL; this answer alone carries it."""
        return self._ask(
            "POST",
            f"/integrations/{path_segment(integration)}/webhook-urls",
            (CreatedUrl,),
            body={"name": name},
        )

    def get_webhook_url(self, url_id: int) -> WebhookUrl:
        """Read one URL, without its secret part."""
        return self._ask("GET", f"/webhook-urls/{path_segment(url_id)}", (WebhookUrl,))

    def revoke_webhook_url(self, url_id: int, *, if_match: str | None = None) -> WebhookUrl:
        """End a URL at once."""
        return self._ask(
            "DELETE",
            f"/webhook-urls/{path_segment(url_id)}",
            (WebhookUrl,),
            headers={"If-Match": if_match},
        )

    def rotate_webhook_url(self, url_id: int) -> RotatedUrl:
        """Mint a successor and, where the hub may, have ION post to it.

        Both work until the first delivery on the new one, the old one 24 hours at most.
        """
        return self._ask("POST", f"/webhook-urls/{path_segment(url_id)}/rotate", (RotatedUrl,))

    def list_events(
        self,
        *,
        integration: str | None = None,
        resource: str | None = None,
        action: str | None = None,
        outcome: str | None = None,
        object: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Event]:
        """List events, newest first; `outcome=waiting` are those not applied yet."""
        return self._items(
            "/events",
            (Event,),
            limit,
            {
                "integration": integration,
                "resource": resource,
                "action": action,
                "outcome": outcome,
                "object": object,
            },
        )

    def get_event(self, seq: int) -> EventDetail:
        """Read one event with its headers and its body as received."""
        return self._ask("GET", f"/events/{path_segment(seq)}", (EventDetail,))

    def replay_event(self, seq: int) -> EventDetail:
        """Apply an event again; what it is about is read from ION afresh."""
        return self._ask("POST", f"/events/{path_segment(seq)}/replay", (EventDetail,))

    def replay_events(
        self,
        *,
        integration: str | None | UnsetType = UNSET,
        from_seq: int | None | UnsetType = UNSET,
        to_seq: int | None | UnsetType = UNSET,
        since: str | None | UnsetType = UNSET,
        until: str | None | UnsetType = UNSET,
        resource: str | None | UnsetType = UNSET,
        action: str | None | UnsetType = UNSET,
        outcome: str | None | UnsetType = UNSET,
        object: str | None | UnsetType = UNSET,
        dry_run: bool | UnsetType = UNSET,
    ) -> Replayed:
        """Let a range of events go through the live path again; `dry_run` shows what would change, field by field."""
        return self._ask(
            "POST",
            "/events/replay",
            (Replayed,),
            body={
                "integration": integration,
                "from_seq": from_seq,
                "to_seq": to_seq,
                "since": since,
                "until": until,
                "resource": resource,
                "action": action,
                "outcome": outcome,
                "object": object,
                "dry_run": dry_run,
            },
        )

    def list_resources(
        self, *, integration: str | None = None, limit: int | None = None
    ) -> Iterator[ResourceCount]:
        """List the resources of which the mirror has objects, with counts."""
        return self._items("/objects", (ResourceCount,), limit, {"integration": integration})

    def list_objects(
        self,
        resource: str | int,
        *,
        integration: str | None = None,
        q: str | None = None,
        state: Literal["fresh", "stale", "partial", "deleted", "any"] | None = None,
        filter: dict[str, Any] | str | None = None,
        sort: str | None = None,
        at: str | None = None,
        clock: Literal["hub", "ion"] | None = None,
        limit: int | None = None,
    ) -> Iterator[ObjectDetail | ObjectAt]:
        """List objects, in the order of their ids if not asked otherwise; the resource may be named in any style.

        With `at`, all that were not deleted then, as they were.
        """
        return self._items(
            f"/objects/{path_segment(resource)}",
            (
                ObjectDetail,
                ObjectAt,
            ),
            limit,
            {
                "integration": integration,
                "q": q,
                "state": state,
                "filter": filter,
                "sort": sort,
                "at": at,
                "clock": clock,
            },
        )

    def get_object(
        self,
        resource: str | int,
        object_id: str | int,
        *,
        integration: str | None = None,
        at: str | None = None,
        clock: Literal["hub", "ion"] | None = None,
    ) -> ObjectDetail | ObjectAt:
        """Read one object with its links resolved; with `at`, as it was then."""
        return self._ask(
            "GET",
            f"/objects/{path_segment(resource)}/{path_segment(object_id)}",
            (
                ObjectDetail,
                ObjectAt,
            ),
            query={"integration": integration, "at": at, "clock": clock},
        )

    def list_history(
        self,
        resource: str | int,
        object_id: str | int,
        *,
        integration: str | None = None,
        limit: int | None = None,
    ) -> Iterator[VersionDetail]:
        """List the versions of one object, newest first, each with what changed and where it comes from."""
        return self._items(
            f"/objects/{path_segment(resource)}/{path_segment(object_id)}/history",
            (VersionDetail,),
            limit,
            {"integration": integration},
        )

    def compare_object(
        self,
        resource: str | int,
        object_id: str | int,
        *,
        from_: str,
        to: str | None = None,
        integration: str | None = None,
        clock: Literal["hub", "ion"] | None = None,
    ) -> Comparison:
        """Compare one object at two times: what differs, and every version between, by whom."""
        return self._ask(
            "GET",
            f"/objects/{path_segment(resource)}/{path_segment(object_id)}/diff",
            (Comparison,),
            query={"from": from_, "to": to, "integration": integration, "clock": clock},
        )

    def compare_objects(
        self,
        resource: str | int,
        *,
        from_: str,
        to: str | None = None,
        integration: str | None = None,
        clock: Literal["hub", "ion"] | None = None,
        limit: int | None = None,
    ) -> Iterator[Difference]:
        """Compare a whole resource at two times: which objects were created, changed and deleted, field by field."""
        return self._items(
            f"/diffs/{path_segment(resource)}",
            (Difference,),
            limit,
            {"from": from_, "to": to, "integration": integration, "clock": clock},
        )

    def create_index(
        self,
        resource: str | int,
        *,
        fields: Sequence[str],
        integration: str | None | UnsetType = UNSET,
    ) -> IndexResult:
        """Create indexes of fields, so that sorting and filtering a big table by them is quick.

        They are created in the background. Each makes every later change of the resource a little slower.
        """
        return self._ask(
            "POST",
            f"/objects/{path_segment(resource)}/indexes",
            (IndexResult,),
            body={"fields": fields, "integration": integration},
        )

    def list_changes(
        self,
        *,
        integration: str | None = None,
        resource: Sequence[str] | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> ChangeList:
        """List every change of an integration's mirror in the order it came about, each once."""
        return self._ask(
            "GET",
            "/changes",
            (ChangeList,),
            query={
                "integration": integration,
                "resource": resource,
                "cursor": cursor,
                "limit": limit,
            },
        )

    def export_resource(
        self,
        resource: str | int,
        *,
        integration: str | None = None,
        format: Literal["csv", "jsonl", "parquet"] | None = None,
        for_spreadsheets: bool | None = None,
    ) -> Iterator[bytes]:
        """Download all objects of a resource that are not deleted, with the columns of its SQL view."""
        return self._download(
            f"/exports/{path_segment(resource)}",
            {"integration": integration, "format": format, "for_spreadsheets": for_spreadsheets},
        )

    def list_fetches(self, integration: str | int, *, limit: int | None = None) -> Iterator[Fetch]:
        """List the fetches of an integration, newest first."""
        return self._items(
            f"/integrations/{path_segment(integration)}/fetches", (Fetch,), limit, {}
        )

    def start_fetch(
        self,
        integration: str | int,
        *,
        mode: Literal["incremental", "full"] | UnsetType = UNSET,
        accept_absence: bool | UnsetType = UNSET,
    ) -> FetchDetail:
        """Begin a fetch; it goes on by itself, `GET /fetches/{id}` tells how far it is."""
        return self._ask(
            "POST",
            f"/integrations/{path_segment(integration)}/fetches",
            (FetchDetail,),
            body={"mode": mode, "accept_absence": accept_absence},
        )

    def get_fetch(self, fetch_id: int) -> FetchDetail:
        """Read one fetch with the progress of each resource."""
        return self._ask("GET", f"/fetches/{path_segment(fetch_id)}", (FetchDetail,))

    def list_findings(
        self, integration: str | int, *, standing: bool | None = None, limit: int | None = None
    ) -> Iterator[CoreFindingsFinding]:
        """List what was found, each with the next step and what became of it; what still stands comes first."""
        return self._items(
            f"/integrations/{path_segment(integration)}/findings",
            (CoreFindingsFinding,),
            limit,
            {"standing": standing},
        )

    def get_retention(self, integration: str | int) -> Retention:
        """Return how many days each kind of the past is kept, what would be removed now, and what was removed last."""
        return self._ask(
            "GET", f"/integrations/{path_segment(integration)}/retention", (Retention,)
        )

    def update_retention(
        self,
        integration: str | int,
        *,
        dry_run: bool | None = None,
        events: int | None | UnsetType = UNSET,
        versions: int | None | UnsetType = UNSET,
        verifications: int | None | UnsetType = UNSET,
        fetches: int | None | UnsetType = UNSET,
        drift: int | None | UnsetType = UNSET,
    ) -> Retention:
        """Keep the past for another number of days, or for ever (null); what is older goes within minutes."""
        return self._ask(
            "PATCH",
            f"/integrations/{path_segment(integration)}/retention",
            (Retention,),
            query={"dry_run": dry_run},
            body={
                "events": events,
                "versions": versions,
                "verifications": verifications,
                "fetches": fetches,
                "drift": drift,
            },
        )

    def get_last_verification(self, integration: str | int) -> Verification | None:
        """Read the newest comparison; null when there was none."""
        return self._ask_or_none(
            "GET", f"/integrations/{path_segment(integration)}/verify", (Verification,)
        )

    def verify_integration(
        self, integration: str | int, *, wait: bool | None = None, sample: int | None = None
    ) -> Verification:
        """Compare every object and field of the mirror with ION, as of now, and report."""
        return self._ask(
            "POST",
            f"/integrations/{path_segment(integration)}/verify",
            (Verification,),
            query={"wait": wait, "sample": sample},
        )

    def list_verifications(
        self, integration: str | int, *, limit: int | None = None
    ) -> Iterator[Verification]:
        """List the comparisons of an integration, newest first."""
        return self._items(
            f"/integrations/{path_segment(integration)}/verifications", (Verification,), limit, {}
        )

    def get_verification(self, verification_id: int) -> Verification:
        """Read one comparison: how far it is, and what came of it."""
        return self._ask("GET", f"/verifications/{path_segment(verification_id)}", (Verification,))

    def list_differences(
        self,
        verification_id: int,
        *,
        resource: str | None = None,
        kind: Literal["missing", "extra", "different", "displayed", "invalid"] | None = None,
        limit: int | None = None,
    ) -> Iterator[DifferenceDetail]:
        """List every difference: the object, and for each field what ION says and what the mirror says."""
        return self._items(
            f"/verifications/{path_segment(verification_id)}/differences",
            (DifferenceDetail,),
            limit,
            {"resource": resource, "kind": kind},
        )

    def resume_verification(self, verification_id: int) -> Verification:
        """Let a failed comparison go on where it stopped."""
        return self._ask(
            "POST", f"/verifications/{path_segment(verification_id)}/resume", (Verification,)
        )

    def get_drift(
        self,
        integration: str | int,
        *,
        resource: str | None = None,
        cause: str | None = None,
        since: str | None = None,
        until: str | None = None,
        by: Literal["hour", "day"] | None = None,
    ) -> DriftReport:
        """Tell by resource and cause how much webhooks alone would have left wrong, for how long, and what healed it."""
        return self._ask(
            "GET",
            f"/integrations/{path_segment(integration)}/drift",
            (DriftReport,),
            query={"resource": resource, "cause": cause, "since": since, "until": until, "by": by},
        )

    def list_drift_samples(
        self,
        integration: str | int,
        *,
        resource: str | None = None,
        cause: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
    ) -> Iterator[DriftSample]:
        """List objects that webhooks alone would have left wrong, newest first."""
        return self._items(
            f"/integrations/{path_segment(integration)}/drift/samples",
            (DriftSample,),
            limit,
            {"resource": resource, "cause": cause, "since": since, "until": until},
        )

    def export_events(self, integration: str | int) -> Iterator[bytes]:
        """Download all events of an integration as JSON lines, raw bodies kept exactly."""
        return self._download(f"/integrations/{path_segment(integration)}/events/export", {})

    def get_me(self) -> Me:
        """Return who is asking."""
        return self._ask("GET", "/me", (Me,))

    def list_users(self, *, limit: int | None = None) -> Iterator[User]:
        """List the people who may sign in."""
        return self._items("/users", (User,), limit, {})

    def create_user(
        self, *, name: str, role: Literal["viewer", "operator", "admin"] | UnsetType = UNSET
    ) -> User:
        """Add a person; send them a sign-in link next."""
        return self._ask("POST", "/users", (User,), body={"name": name, "role": role})

    def get_user(self, user: str | int) -> User:
        """Read one person, by number or name."""
        return self._ask("GET", f"/users/{path_segment(user)}", (User,))

    def delete_user(self, user: str | int, *, if_match: str | None = None) -> None:
        """Remove a person, by number or name, and sign them out everywhere."""
        self._tell("DELETE", f"/users/{path_segment(user)}", headers={"If-Match": if_match})

    def update_user(
        self,
        user: str | int,
        *,
        role: Literal["viewer", "operator", "admin"],
        if_match: str | None = None,
    ) -> User:
        """Let a person do more or less from now on."""
        return self._ask(
            "PATCH",
            f"/users/{path_segment(user)}",
            (User,),
            body={"role": role},
            headers={"If-Match": if_match},
        )

    def create_sign_in_link(self, user: str | int) -> SignInLink:
        """Make a link that signs this person in once, within 15 minutes."""
        return self._ask("POST", f"/users/{path_segment(user)}/sign-in-links", (SignInLink,))

    def set_password(self, user: str | int, *, password: str) -> None:
        """Set a person's password; their sessions end."""
        self._tell("PATCH", f"/users/{path_segment(user)}/password", body={"password": password})

    def expect_user(self, user: str | int, *, email: str | None) -> User:
        """Say with which verified e-mail address this person will come from the single sign-on provider; null unties them."""
        return self._ask(
            "PATCH", f"/users/{path_segment(user)}/provider", (User,), body={"email": email}
        )

    def list_sessions(self, user: str | int, *, limit: int | None = None) -> Iterator[Session]:
        """List where a person is signed in, the session used last first."""
        return self._items(f"/users/{path_segment(user)}/sessions", (Session,), limit, {})

    def end_sessions(self, user: str | int) -> None:
        """Sign a person out everywhere."""
        self._tell("DELETE", f"/users/{path_segment(user)}/sessions")

    def end_session(self, user: str | int, session_id: int) -> None:
        """Sign a person out in one browser."""
        self._tell("DELETE", f"/users/{path_segment(user)}/sessions/{path_segment(session_id)}")

    def list_keys(self, *, limit: int | None = None) -> Iterator[ApiKey]:
        """List API keys, without their secrets."""
        return self._items("/keys", (ApiKey,), limit, {})

    def create_key(
        self,
        *,
        name: str,
        role: Literal["viewer", "operator", "admin"] | UnsetType = UNSET,
        expires_at: str | None | UnsetType = UNSET,
    ) -> CreatedKey:
        """Make an API key; this answer alone carries its token."""
        return self._ask(
            "POST",
            "/keys",
            (CreatedKey,),
            body={"name": name, "role": role, "expires_at": expires_at},
        )

    def get_key(self, key_id: int) -> ApiKey:
        """Read one API key, without its secret."""
        return self._ask("GET", f"/keys/{path_segment(key_id)}", (ApiKey,))

    def revoke_key(self, key_id: int, *, if_match: str | None = None) -> ApiKey:
        """End a key at once and for good."""
        return self._ask(
            "DELETE", f"/keys/{path_segment(key_id)}", (ApiKey,), headers={"If-Match": if_match}
        )

    def list_audit(self, *, limit: int | None = None) -> Iterator[AuditEntry]:
        """List what anyone did, newest first."""
        return self._items("/audit", (AuditEntry,), limit, {})

    def list_alerts(
        self, *, standing: bool | None = None, limit: int | None = None
    ) -> Iterator[Alert]:
        """List what needs or needed a person, newest first; kept for 90 days after it was fixed."""
        return self._items("/alerts", (Alert,), limit, {"standing": standing})

    def list_destinations(self, *, limit: int | None = None) -> Iterator[Destination]:
        """List where alerts go, and what came of the last message there."""
        return self._items("/alert-destinations", (Destination,), limit, {})

    def create_destination(
        self, *, name: str, kind: Literal["email", "slack", "webhook"], address: str
    ) -> AddedDestination:
        """Let alerts go somewhere; send a test next."""
        return self._ask(
            "POST",
            "/alert-destinations",
            (AddedDestination,),
            body={"name": name, "kind": kind, "address": address},
        )

    def test_destination(self, destination_id: int) -> Destination:
        """Send a test there; `last_well` and `last_result` say what came of it."""
        return self._ask(
            "POST", f"/alert-destinations/{path_segment(destination_id)}/test", (Destination,)
        )

    def delete_destination(self, destination_id: int) -> None:
        """Send nothing there any more."""
        self._tell("DELETE", f"/alert-destinations/{path_segment(destination_id)}")

    def list_views(
        self, *, resource: str | None = None, limit: int | None = None
    ) -> Iterator[SavedView]:
        """List your saved views, by resource and name."""
        return self._items("/views", (SavedView,), limit, {"resource": resource})

    def create_view(self, *, name: str, query: str, resource: str) -> SavedView:
        """Keep a view; one of the same name is replaced."""
        return self._ask(
            "POST",
            "/views",
            (SavedView,),
            body={"name": name, "query": query, "resource": resource},
        )

    def get_view(self, view_id: int) -> SavedView:
        """Read one of your saved views."""
        return self._ask("GET", f"/views/{path_segment(view_id)}", (SavedView,))

    def update_view(
        self, view_id: int, *, name: str, query: str, if_match: str | None = None
    ) -> SavedView:
        """Return one of your saved views another name and content."""
        return self._ask(
            "PUT",
            f"/views/{path_segment(view_id)}",
            (SavedView,),
            body={"name": name, "query": query},
            headers={"If-Match": if_match},
        )

    def delete_view(self, view_id: int, *, if_match: str | None = None) -> None:
        """Drop one of your saved views."""
        self._tell("DELETE", f"/views/{path_segment(view_id)}", headers={"If-Match": if_match})

    def get_status(self) -> Status:
        """Tell how the hub and each of its integrations are."""
        return self._ask("GET", "/status", (Status,))
