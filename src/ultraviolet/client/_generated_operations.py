"""The operations of the API as methods, generated from the OpenAPI document."""

# Written by `make client` from the OpenAPI document; do not edit.

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from ultraviolet.client._generated_models import (
    Alert,
    ApiKey,
    Attribute,
    AuditEntry,
    ChangeList,
    Comparison,
    CreatedAlertDestination,
    CreatedApiKey,
    CreatedWebhookUrl,
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
    IonSchema,
    Me,
    ObjectAt,
    ObjectDetail,
    Overview,
    Replayed,
    ResourceCount,
    Retention,
    RotatedWebhookUrl,
    SavedView,
    SelectableResource,
    Session,
    SetupResult,
    SignInLink,
    Status,
    StoredFinding,
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
        """List integrations.

        Oldest first.
        """
        return self._items("/integrations", (Integration,), limit, {})

    def create_integration(
        self,
        *,
        name: str,
        api_url: str,
        auth_url: str,
        client_id: str,
        client_secret: str,
        test: bool | None = None,
        incremental_schedule: str | UnsetType = UNSET,
        full_schedule: str | UnsetType = UNSET,
        requests_per_second: int | UnsetType = UNSET,
        resources: Sequence[str] | None | UnsetType = UNSET,
    ) -> Integration:
        """Create integration.

        Without `test`, test the connection next. Credentials that ION rejects are not used for a sync.
        """
        return self._ask(
            "POST",
            "/integrations",
            (Integration,),
            query={"test": test},
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
        """Get integration.

        By id or name.
        """
        return self._ask("GET", f"/integrations/{path_segment(integration)}", (Integration,))

    def delete_integration(self, integration: str | int, *, if_match: str | None = None) -> None:
        """Delete integration.

        Deletes its webhook URLs, events, objects and their history.
        Deleting a large integration takes some minutes; until then it is listed as paused under a
        temporary name.
        """
        self._tell(
            "DELETE", f"/integrations/{path_segment(integration)}", headers={"If-Match": if_match}
        )

    def update_integration(
        self,
        integration: str | int,
        *,
        test: bool | None = None,
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
        """Update integration.

        Fields that are not sent keep their values.
        """
        return self._ask(
            "PATCH",
            f"/integrations/{path_segment(integration)}",
            (Integration,),
            query={"test": test},
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
        """Test connection to ION.

        Returns the account of the API key, the resources it may read, and any problem with its next
        step.
        """
        return self._ask("POST", f"/integrations/{path_segment(integration)}/test", (TestResult,))

    def pause_integration(self, integration: str | int) -> Integration:
        """Pause integration.

        The hub stops reading from ION but still records deliveries.
        """
        return self._ask("POST", f"/integrations/{path_segment(integration)}/pause", (Integration,))

    def resume_integration(self, integration: str | int) -> Integration:
        """Resume integration."""
        return self._ask(
            "POST", f"/integrations/{path_segment(integration)}/resume", (Integration,)
        )

    def get_freshness(self, integration: str | int) -> IntegrationFreshness:
        """Get freshness.

        One sentence says whether the mirror is fresh. Each resource has the time and source of
        its last proof.
        """
        return self._ask(
            "GET", f"/integrations/{path_segment(integration)}/freshness", (IntegrationFreshness,)
        )

    def list_integration_resources(
        self, integration: str | int, *, limit: int | None = None
    ) -> Iterator[SelectableResource]:
        """List selectable resources.

        By domain.
        Each says whether it is selected and how many objects the mirror has. Select others with
        `resources` of `PATCH /integrations/{integration}`.
        """
        return self._items(
            f"/integrations/{path_segment(integration)}/resources", (SelectableResource,), limit, {}
        )

    def get_ion_schema(self, integration: str | int) -> IonSchema:
        """Get ION's schema.

        Returns the members of the types that the hub uses, as this ION offers them.
        """
        return self._ask(
            "GET", f"/integrations/{path_segment(integration)}/ion-schema", (IonSchema,)
        )

    def list_findings(
        self, integration: str | int, *, open: bool | None = None, limit: int | None = None
    ) -> Iterator[StoredFinding]:
        """List findings.

        Open findings come first.
        Each has its severity, its next step, and the result of an automatic repair.
        """
        return self._items(
            f"/integrations/{path_segment(integration)}/findings",
            (StoredFinding,),
            limit,
            {"open": open},
        )

    def get_retention(self, integration: str | int) -> Retention:
        """Get retention periods.

        Includes the amount of data eligible for deletion and the result of the last purge.
        """
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
        """Update retention periods.

        Periods are in days; null keeps data forever. Older data is deleted within minutes.
        """
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

    def get_setup(self, integration: str | int) -> Overview:
        """Get setup status.

        Includes desired and actual subscriptions, and the documents for manual setup.
        """
        return self._ask("GET", f"/integrations/{path_segment(integration)}/setup", (Overview,))

    def apply_setup(
        self,
        integration: str | int,
        *,
        mode: Literal["automatic", "manual"] | UnsetType = UNSET,
        receiver_id: str | int | None | UnsetType = UNSET,
        wanted: Sequence[tuple[str, str]] | None | UnsetType = UNSET,
        remove_extra: bool | UnsetType = UNSET,
    ) -> SetupResult | Overview:
        """Apply setup.

        Creates or repairs receiver and subscriptions through ION's API, or adopts a receiver that was
        created manually. Applying it again changes nothing. If no receiver is known, automatic setup
        creates a webhook URL, because the hub does not keep the addresses of existing ones.
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
        """List webhook URLs.

        Newest first.
        """
        return self._items(
            f"/integrations/{path_segment(integration)}/webhook-urls", (WebhookUrl,), limit, {}
        )

    def create_webhook_url(
        self, integration: str | int, *, name: str | UnsetType = UNSET
    ) -> CreatedWebhookUrl:
        """Create webhook URL.

        Only this response contains the URL.
        """
        return self._ask(
            "POST",
            f"/integrations/{path_segment(integration)}/webhook-urls",
            (CreatedWebhookUrl,),
            body={"name": name},
        )

    def get_webhook_url(self, url_id: int) -> WebhookUrl:
        """Get webhook URL.

        The secret part is not included.
        """
        return self._ask("GET", f"/webhook-urls/{path_segment(url_id)}", (WebhookUrl,))

    def revoke_webhook_url(self, url_id: int, *, if_match: str | None = None) -> WebhookUrl:
        """Revoke webhook URL.

        It stops working immediately.
        """
        return self._ask(
            "DELETE",
            f"/webhook-urls/{path_segment(url_id)}",
            (WebhookUrl,),
            headers={"If-Match": if_match},
        )

    def rotate_webhook_url(self, url_id: int) -> RotatedWebhookUrl:
        """Rotate webhook URL.

        Creates a new URL and, if ION's permissions allow it, changes the receiver in ION. The old URL
        works until the first delivery to the new one, at most 24 hours.
        """
        return self._ask(
            "POST", f"/webhook-urls/{path_segment(url_id)}/rotate", (RotatedWebhookUrl,)
        )

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
        """List events.

        Newest first.
        `outcome=waiting` selects the events that are not applied yet.
        """
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
        """Get event.

        Includes its headers and its raw body.
        """
        return self._ask("GET", f"/events/{path_segment(seq)}", (EventDetail,))

    def replay_event(self, seq: int) -> EventDetail:
        """Replay event.

        Processes the event again and reads its object from ION.
        """
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
        """Replay events.

        Newer data is never overwritten. `dry_run` returns the changes field by field without making
        them.
        """
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

    def export_events(self, integration: str | int) -> Iterator[bytes]:
        """Export events.

        Returns all events of an integration as JSON lines with unchanged raw bodies.
        """
        return self._download(f"/integrations/{path_segment(integration)}/events/export", {})

    def list_resources(
        self, *, integration: str | None = None, limit: int | None = None
    ) -> Iterator[ResourceCount]:
        """List resources.

        Lists the resources that have objects, with counts.
        """
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
        column: Sequence[str] | None = None,
        at: str | None = None,
        clock: Literal["hub", "ion"] | None = None,
        limit: int | None = None,
    ) -> Iterator[ObjectDetail | ObjectAt]:
        """List objects.

        The default order is by id. With `at`, lists the objects that existed at that time, in their
        state of that time.
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
                "column": column,
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
        """Get object.

        Links are resolved.
        With `at`, its state at that time.
        """
        return self._ask(
            "GET",
            f"/objects/{path_segment(resource)}/{path_segment(object_id)}",
            (
                ObjectDetail,
                ObjectAt,
            ),
            query={"integration": integration, "at": at, "clock": clock},
        )

    def list_object_versions(
        self,
        resource: str | int,
        object_id: str | int,
        *,
        integration: str | None = None,
        limit: int | None = None,
    ) -> Iterator[VersionDetail]:
        """List object versions.

        Newest first.
        Each has its changes and its origin.
        """
        return self._items(
            f"/objects/{path_segment(resource)}/{path_segment(object_id)}/history",
            (VersionDetail,),
            limit,
            {"integration": integration},
        )

    def get_object_diff(
        self,
        resource: str | int,
        object_id: str | int,
        *,
        from_: str,
        to: str | None = None,
        integration: str | None = None,
        clock: Literal["hub", "ion"] | None = None,
    ) -> Comparison:
        """Compare object at two times.

        Returns the differences, and the versions in between with their authors.
        """
        return self._ask(
            "GET",
            f"/objects/{path_segment(resource)}/{path_segment(object_id)}/diff",
            (Comparison,),
            query={"from": from_, "to": to, "integration": integration, "clock": clock},
        )

    def list_object_diffs(
        self,
        resource: str | int,
        *,
        from_: str,
        to: str | None = None,
        integration: str | None = None,
        clock: Literal["hub", "ion"] | None = None,
        limit: int | None = None,
    ) -> Iterator[Difference]:
        """Compare resource at two times.

        Lists the objects that were created, changed or deleted, field by field.
        """
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
        """Create field indexes.

        They make sorting and filtering of large tables faster.
        They are created in the background. Each index slows down later changes of the resource
        slightly.
        """
        return self._ask(
            "POST",
            f"/objects/{path_segment(resource)}/indexes",
            (IndexResult,),
            body={"fields": fields, "integration": integration},
        )

    def export_objects(
        self,
        resource: str | int,
        *,
        integration: str | None = None,
        q: str | None = None,
        state: Literal["fresh", "stale", "partial", "deleted", "any"] | None = None,
        filter: dict[str, Any] | str | None = None,
        sort: str | None = None,
        column: Sequence[str] | None = None,
        format: Literal["csv", "jsonl", "parquet", "xlsx"] | None = None,
        for_spreadsheets: bool | None = None,
    ) -> Iterator[bytes]:
        """Export objects.

        Returns the objects that `GET /objects/{resource}` lists for the same parameters, in the same
        order. An object that changes during the export is exported in its newest state. Excel and CSV
        for spreadsheets have the headings and enum values of the pages, other formats names and codes.
        """
        return self._download(
            f"/exports/{path_segment(resource)}",
            {
                "integration": integration,
                "q": q,
                "state": state,
                "filter": filter,
                "sort": sort,
                "column": column,
                "format": format,
                "for_spreadsheets": for_spreadsheets,
            },
        )

    def list_attributes(
        self,
        *,
        integration: str | None = None,
        resource: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Attribute]:
        """List custom attributes.

        Lists the attributes that objects of the integration have or had, in the order in which the hub
        learned them. `column` is the name in SQL views, exports, filters and the order of lists.
        """
        return self._items(
            "/attributes", (Attribute,), limit, {"integration": integration, "resource": resource}
        )

    def list_changes(
        self,
        *,
        integration: str | None = None,
        resource: Sequence[str] | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> ChangeList:
        """List changes.

        Returns every change of the mirror in order, exactly once.
        """
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

    def list_fetches(self, integration: str | int, *, limit: int | None = None) -> Iterator[Fetch]:
        """List syncs.

        Newest first.
        """
        return self._items(
            f"/integrations/{path_segment(integration)}/fetches", (Fetch,), limit, {}
        )

    def create_fetch(
        self,
        integration: str | int,
        *,
        mode: Literal["incremental", "full"] | UnsetType = UNSET,
        accept_absence: bool | UnsetType = UNSET,
    ) -> FetchDetail:
        """Start sync.

        It runs in the background; `GET /fetches/{fetch_id}` returns its progress.
        """
        return self._ask(
            "POST",
            f"/integrations/{path_segment(integration)}/fetches",
            (FetchDetail,),
            body={"mode": mode, "accept_absence": accept_absence},
        )

    def get_fetch(self, fetch_id: int) -> FetchDetail:
        """Get sync.

        Includes the progress of each resource.
        """
        return self._ask("GET", f"/fetches/{path_segment(fetch_id)}", (FetchDetail,))

    def list_verifications(
        self, integration: str | int, *, limit: int | None = None
    ) -> Iterator[Verification]:
        """List verifications.

        Newest first.
        """
        return self._items(
            f"/integrations/{path_segment(integration)}/verifications", (Verification,), limit, {}
        )

    def create_verification(
        self, integration: str | int, *, wait: bool | None = None, sample: int | None = None
    ) -> Verification:
        """Start verification.

        Compares every object and field of the mirror with ION.
        """
        return self._ask(
            "POST",
            f"/integrations/{path_segment(integration)}/verifications",
            (Verification,),
            query={"wait": wait, "sample": sample},
        )

    def get_verification(self, verification_id: int) -> Verification:
        """Get verification.

        Includes its progress and result.
        """
        return self._ask("GET", f"/verifications/{path_segment(verification_id)}", (Verification,))

    def list_verification_differences(
        self,
        verification_id: int,
        *,
        resource: str | None = None,
        kind: Literal["missing", "extra", "different", "displayed", "invalid"] | None = None,
        limit: int | None = None,
    ) -> Iterator[DifferenceDetail]:
        """List differences.

        Each has the values of ION and of the mirror for every field that differs.
        """
        return self._items(
            f"/verifications/{path_segment(verification_id)}/differences",
            (DifferenceDetail,),
            limit,
            {"resource": resource, "kind": kind},
        )

    def resume_verification(self, verification_id: int) -> Verification:
        """Resume failed verification.

        It continues at its last position.
        """
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
        """Get corrections report.

        By resource and cause: how many changes the hub corrected by reading ION, how long each was
        wrong, and what corrected it. `understood` counts changes that an event contained, late or in
        a form that simple receivers miss; they are not corrections.
        """
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
        """List corrections.

        Newest first.
        Each is a correction of an object that webhooks alone would have left wrong.
        """
        return self._items(
            f"/integrations/{path_segment(integration)}/drift/samples",
            (DriftSample,),
            limit,
            {"resource": resource, "cause": cause, "since": since, "until": until},
        )

    def get_me(self) -> Me:
        """Get caller.

        Returns the name and role of the caller.
        """
        return self._ask("GET", "/me", (Me,))

    def list_users(self, *, limit: int | None = None) -> Iterator[User]:
        """List users.

        Lists the people who can sign in.
        """
        return self._items("/users", (User,), limit, {})

    def create_user(
        self, *, name: str, role: Literal["viewer", "operator", "admin"] | UnsetType = UNSET
    ) -> User:
        """Create user.

        Send them a sign-in link next.
        """
        return self._ask("POST", "/users", (User,), body={"name": name, "role": role})

    def get_user(self, user: str | int) -> User:
        """Get user.

        By id or name.
        """
        return self._ask("GET", f"/users/{path_segment(user)}", (User,))

    def delete_user(self, user: str | int, *, if_match: str | None = None) -> None:
        """Delete user.

        Their sessions end.
        """
        self._tell("DELETE", f"/users/{path_segment(user)}", headers={"If-Match": if_match})

    def update_user(
        self,
        user: str | int,
        *,
        role: Literal["viewer", "operator", "admin"],
        if_match: str | None = None,
    ) -> User:
        """Update user role."""
        return self._ask(
            "PATCH",
            f"/users/{path_segment(user)}",
            (User,),
            body={"role": role},
            headers={"If-Match": if_match},
        )

    def create_sign_in_link(self, user: str | int) -> SignInLink:
        """Create sign-in link.

        It is valid once and for 15 minutes.
        """
        return self._ask("POST", f"/users/{path_segment(user)}/sign-in-links", (SignInLink,))

    def update_user_password(self, user: str | int, *, password: str) -> None:
        """Set user password.

        The sessions of the user end.
        """
        self._tell("PATCH", f"/users/{path_segment(user)}/password", body={"password": password})

    def update_user_sso(self, user: str | int, *, email: str | None) -> User:
        """Link user to single sign-on.

        The user signs in at the provider with this verified e-mail address; null removes the link.
        """
        return self._ask(
            "PATCH", f"/users/{path_segment(user)}/sso", (User,), body={"email": email}
        )

    def list_user_sessions(self, user: str | int, *, limit: int | None = None) -> Iterator[Session]:
        """List user sessions.

        Last used first.
        """
        return self._items(f"/users/{path_segment(user)}/sessions", (Session,), limit, {})

    def delete_user_sessions(self, user: str | int) -> None:
        """End all user sessions.

        Signs the user out in all browsers.
        """
        self._tell("DELETE", f"/users/{path_segment(user)}/sessions")

    def delete_user_session(self, user: str | int, session_id: int) -> None:
        """End user session.

        Signs the user out in one browser.
        """
        self._tell("DELETE", f"/users/{path_segment(user)}/sessions/{path_segment(session_id)}")

    def list_api_keys(self, *, limit: int | None = None) -> Iterator[ApiKey]:
        """List API keys.

        Secrets are not included.
        """
        return self._items("/api-keys", (ApiKey,), limit, {})

    def create_api_key(
        self,
        *,
        name: str,
        role: Literal["viewer", "operator", "admin"] | UnsetType = UNSET,
        expires_at: str | None | UnsetType = UNSET,
    ) -> CreatedApiKey:
        """Create API key.

        Only this response contains the token.
        """
        return self._ask(
            "POST",
            "/api-keys",
            (CreatedApiKey,),
            body={"name": name, "role": role, "expires_at": expires_at},
        )

    def get_api_key(self, key_id: int) -> ApiKey:
        """Get API key.

        The secret is not included.
        """
        return self._ask("GET", f"/api-keys/{path_segment(key_id)}", (ApiKey,))

    def revoke_api_key(self, key_id: int, *, if_match: str | None = None) -> ApiKey:
        """Revoke API key.

        It stops working immediately and permanently.
        """
        return self._ask(
            "DELETE", f"/api-keys/{path_segment(key_id)}", (ApiKey,), headers={"If-Match": if_match}
        )

    def list_audit_entries(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
    ) -> Iterator[AuditEntry]:
        """List audit log entries.

        Newest first.
        """
        return self._items(
            "/audit",
            (AuditEntry,),
            limit,
            {"actor": actor, "action": action, "subject": subject, "since": since, "until": until},
        )

    def export_audit_entries(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since: str | None = None,
        until: str | None = None,
        format: Literal["csv", "jsonl"] | None = None,
    ) -> Iterator[bytes]:
        """Export audit log entries.

        Returns all entries that `GET /audit` lists for the same parameters, newest first.
        """
        return self._download(
            "/audit/export",
            {
                "actor": actor,
                "action": action,
                "subject": subject,
                "since": since,
                "until": until,
                "format": format,
            },
        )

    def list_alerts(self, *, open: bool | None = None, limit: int | None = None) -> Iterator[Alert]:
        """List alerts.

        Newest first.
        Resolved alerts are kept for 90 days.
        """
        return self._items("/alerts", (Alert,), limit, {"open": open})

    def list_alert_destinations(self, *, limit: int | None = None) -> Iterator[Destination]:
        """List alert destinations.

        Each includes the result of its last message.
        """
        return self._items("/alert-destinations", (Destination,), limit, {})

    def create_alert_destination(
        self, *, name: str, kind: Literal["email", "slack", "webhook"], address: str
    ) -> CreatedAlertDestination:
        """Create alert destination.

        Send a test message next.
        """
        return self._ask(
            "POST",
            "/alert-destinations",
            (CreatedAlertDestination,),
            body={"name": name, "kind": kind, "address": address},
        )

    def test_alert_destination(self, destination_id: int) -> Destination:
        """Test alert destination.

        Sends a test message.
        `last_well` and `last_result` contain the result.
        """
        return self._ask(
            "POST", f"/alert-destinations/{path_segment(destination_id)}/test", (Destination,)
        )

    def delete_alert_destination(self, destination_id: int) -> None:
        """Delete alert destination."""
        self._tell("DELETE", f"/alert-destinations/{path_segment(destination_id)}")

    def list_saved_views(
        self, *, resource: str | None = None, limit: int | None = None
    ) -> Iterator[SavedView]:
        """List saved views.

        Lists your own views and those that others share, by resource and name.
        """
        return self._items("/saved-views", (SavedView,), limit, {"resource": resource})

    def create_saved_view(
        self, *, name: str, query: str, resource: str, shared: bool | UnsetType = UNSET
    ) -> SavedView:
        """Create saved view.

        A name that another view of yours has is refused with 409. All users see a shared view; its
        owner and administrators can change it.
        """
        return self._ask(
            "POST",
            "/saved-views",
            (SavedView,),
            body={"name": name, "query": query, "shared": shared, "resource": resource},
        )

    def get_saved_view(self, view_id: int) -> SavedView:
        """Get saved view."""
        return self._ask("GET", f"/saved-views/{path_segment(view_id)}", (SavedView,))

    def update_saved_view(
        self,
        view_id: int,
        *,
        name: str,
        query: str,
        shared: bool | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> SavedView:
        """Update saved view."""
        return self._ask(
            "PUT",
            f"/saved-views/{path_segment(view_id)}",
            (SavedView,),
            body={"name": name, "query": query, "shared": shared},
            headers={"If-Match": if_match},
        )

    def delete_saved_view(self, view_id: int, *, if_match: str | None = None) -> None:
        """Delete saved view."""
        self._tell(
            "DELETE", f"/saved-views/{path_segment(view_id)}", headers={"If-Match": if_match}
        )

    def run_sql(
        self, *, statement: str, timeout_seconds: float | UnsetType = UNSET
    ) -> Iterator[bytes]:
        """Run SQL statement.

        Reads the views of the resources and the tables of the mirror, and never writes. Returns lines of
        JSON: first `{"columns": [{"name", "type"}]}`, then `{"rows": [[…]]}` in batches, at last
        `{"row_count"}`. If the statement fails after its first rows, the last line has `error` instead.
        Without one of these at its end, the result is incomplete.
        A hub runs three statements at once, at most two of them of one user or API key; a further one
        gets 429. Closing the connection stops a statement.
        A column of type `json` contains JSON as text; the type is null if the database does not know it.
        """
        return self._download(
            "/sql", {}, {"statement": statement, "timeout_seconds": timeout_seconds}
        )

    def get_status(self) -> Status:
        """Get hub status.

        Includes the status of each integration.
        """
        return self._ask("GET", "/status", (Status,))
