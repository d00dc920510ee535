"""The kinds of answers, as the API document has them: generated whole, so as long as that is."""


# Written by `make client` from the OpenAPI document; do not edit.

from __future__ import annotations

from typing import Any

from msgspec import Struct


class AddedDestination(Struct, frozen=True, kw_only=True):
    """A new destination; `secret` verifies what comes from a signed webhook, and is shown here and never again."""

    id: int
    name: str
    kind: str
    shown: str
    created_at: str
    last_result: str | None
    last_well: bool | None
    last_at: str | None
    secret: str | None


class Alert(Struct, frozen=True, kw_only=True):
    """Something that needs a person, or needed one."""

    id: int
    integration_id: int | None
    integration: str | None
    topic: str
    sentence: str
    next_step: str
    opened_at: str
    fixed_at: str | None


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key for automation, without its secret."""

    id: int
    name: str
    role: str
    last_four: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One thing someone did."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str
    detail: dict[str, Any] | None


class Author(Struct, frozen=True, kw_only=True):
    """Who changed something in ION, as the event says or, where none told, the object itself."""

    id: str
    name: str | None
    told_by: str


class Cause(Struct, frozen=True, kw_only=True):
    """Something that keeps the mirror from being known to be right, and what to do about it."""

    kind: str
    says: str
    next_step: str
    red: bool = True


class ChangeList(Struct, frozen=True, kw_only=True):
    """Changes in order; `next` is never null: ask again with it, at once where there are `more`, else when you like."""

    items: list[ObjectChange]
    next: str
    more: bool


class Comparison(Struct, frozen=True, kw_only=True):
    """One object at two times, what differs, and every version between them, newest first."""

    before: ObjectAt | None
    after: ObjectAt | None
    changes: list[FieldChange]
    versions: list[VersionDetail]


class CoreFindingsFinding(Struct, frozen=True, kw_only=True):
    """A page of CoreFindingsFinding."""

    id: int
    integration_id: int
    kind: str
    subject: str
    sentence: str
    next_step: str
    found_at: str
    repaired_at: str | None
    resolved_at: str | None


class CreatedKey(Struct, frozen=True, kw_only=True):
    """A new key; `token` is shown here and never again."""

    id: int
    name: str
    role: str
    token: str
    expires_at: str | None


class CreatedUrl(Struct, frozen=True, kw_only=True):
    """A new URL; `url` is shown here and never again."""

    id: int
    integration_id: int
    name: str
    last_four: str
    state: str
    replaces_id: int | None
    expires_at: str | None
    receiver_id: str | None
    verifies: bool
    signature_format: str | None
    wanted: list[tuple[str, str]] | None
    created_at: str
    subscribed_at: str | None
    first_delivery_at: str | None
    last_delivery_at: str | None
    first_verified_at: str | None
    refused: int
    last_refused_at: str | None
    last_failure: str | None
    last_failure_at: str | None
    url: str


class Destination(Struct, frozen=True, kw_only=True):
    """Where alerts go, without what is secret of it."""

    id: int
    name: str
    kind: str
    shown: str
    created_at: str
    last_result: str | None
    last_well: bool | None
    last_at: str | None


class Difference(Struct, frozen=True, kw_only=True):
    """What became of one object of a resource between two times."""

    id: str
    change: str
    changes: list[FieldChange]


class DifferenceDetail(Struct, frozen=True, kw_only=True):
    """An object on which mirror and ION disagree; `fields` has ION's value and the mirror's, by name."""

    resource: str
    id: str
    kind: str
    state: str
    fields: dict[str, Any]
    detail: str | None


class DriftMoment(Struct, frozen=True, kw_only=True):
    """One hour or day: all changes, and how many of them webhooks alone would have left wrong, by cause."""

    at: str
    changes: int
    causes: dict[str, int]


class DriftReport(Struct, frozen=True, kw_only=True):
    """What webhooks alone would have left wrong in a time."""

    changes: int
    wrong: int
    causes: list[WrongResource]
    over_time: list[DriftMoment]
    samples: list[DriftSample]


class DriftSample(Struct, frozen=True, kw_only=True):
    """One object that webhooks alone would have left wrong."""

    seq: int
    integration_id: int
    resource: str
    id: str
    cause: str
    fields: list[str]
    wrong_since: str | None
    seconds: float | None
    healed_by: dict[str, Any]
    healed_at: str


class Event(Struct, frozen=True, kw_only=True):
    """One thing ION told, however often it was delivered."""

    seq: int
    integration_id: int
    webhook_url_id: int
    event_id: str | None
    subscription_id: str | None
    resource: str | None
    action: str | None
    object_id: str | None
    source_time: str | None
    received_at: str
    signature: str
    deliveries: int
    outcome: str | None
    detail: str | None
    applied_at: str | None
    conflicting: bool


class EventDetail(Struct, frozen=True, kw_only=True):
    """One event with everything that was received."""

    seq: int
    integration_id: int
    webhook_url_id: int
    event_id: str | None
    subscription_id: str | None
    resource: str | None
    action: str | None
    object_id: str | None
    source_time: str | None
    received_at: str
    signature: str
    deliveries: int
    outcome: str | None
    detail: str | None
    applied_at: str | None
    conflicting: bool
    headers: dict[str, str]
    body: str


class ExpiredCounts(Struct, frozen=True, kw_only=True):
    """A page of ExpiredCounts."""

    count: int
    bytes: int
    oldest: str | None
    more: bool = False


class Fetch(Struct, frozen=True, kw_only=True):
    """One pass over an integration and what it did so far; `total` is what ION counted where it was asked."""

    id: int
    integration_id: int
    mode: str
    state: str
    requested_by: str
    started_at: str
    finished_at: str | None
    error: str | None
    resources: int
    resources_done: int
    total: int
    read: int
    changed: int
    deleted: int


class FetchDetail(Struct, frozen=True, kw_only=True):
    """One fetch with all its parts."""

    id: int
    integration_id: int
    mode: str
    state: str
    requested_by: str
    started_at: str
    finished_at: str | None
    error: str | None
    resources: int
    resources_done: int
    total: int
    read: int
    changed: int
    deleted: int
    steps: list[FetchStep]


class FetchStep(Struct, frozen=True, kw_only=True):
    """The part of a fetch that reads one resource."""

    resource: str
    state: str
    total: int | None
    read: int
    changed: int
    deleted: int
    started_at: str | None
    finished_at: str | None
    error: str | None


class FieldChange(Struct, frozen=True, kw_only=True):
    """One field that became different."""

    name: str
    old: Any
    new: Any


class FieldReplayed(Struct, frozen=True, kw_only=True):
    """One field that would become different."""

    name: str
    old: Any
    new: Any


class ImportResult(Struct, frozen=True, kw_only=True):
    """What became of the lines."""

    read: int
    added: int
    known: int


class IndexResult(Struct, frozen=True, kw_only=True):
    """What was begun."""

    creating: list[str]
    detail: str


class Integration(Struct, frozen=True, kw_only=True):
    """One ION environment, without its secret."""

    id: int
    name: str
    api_url: str
    auth_url: str
    client_id: str
    paused: bool
    incremental_schedule: str
    full_schedule: str
    requests_per_second: int
    resources: list[str] | None
    test_result: TestResult | None
    created_at: str
    updated_at: str
    removed: bool


class IntegrationFreshness(Struct, frozen=True, kw_only=True):
    """How much the mirror of an integration can be trusted now, with the figures."""

    integration_id: int
    state: str
    sentence: str
    causes: list[Cause]
    last_change_at: str | None
    proven_at: str | None
    changes: int
    p50_seconds: float | None
    p99_seconds: float | None
    resources: list[ResourceFreshness]
    summary: Summary


class IntegrationStatus(Struct, frozen=True, kw_only=True):
    """One integration at a glance."""

    integration_id: int
    objects: int
    stale: int
    waiting_events: int
    last_event_at: str | None
    last_fetch_at: str | None
    proven_at: str | None
    stale_since: str | None = None
    name: str
    state: str
    freshness: str
    sentence: str


class IntegrationsConnectionTestFinding(Struct, frozen=True, kw_only=True):
    """A page of IntegrationsConnectionTestFinding."""

    severity: str
    message: str
    next_step: str
    kind: str = "other"


class LinkValue(Struct, frozen=True, kw_only=True):
    """What a link leads to; `found` tells whether the mirror has it."""

    resource: str
    id: str
    title: str | None
    found: bool


class Me(Struct, frozen=True, kw_only=True):
    """The one who is asking."""

    name: str
    role: str


class ObjectAt(Struct, frozen=True, kw_only=True):
    """One object as it was at a time."""

    resource: str
    id: str
    title: str | None
    fields: dict[str, Any]
    version: int
    deleted: bool
    source_time: str | None
    observed_at: str
    origin: dict[str, Any]


class ObjectChange(Struct, frozen=True, kw_only=True):
    """One version that an object got; `cursor` is the place behind it."""

    cursor: str
    integration_id: int
    resource: str
    id: str
    version: int
    change: str
    changed: list[str]
    source_time: str | None
    observed_at: str
    origin: dict[str, Any]


class ObjectDetail(Struct, frozen=True, kw_only=True):
    """One object as the mirror has it now."""

    integration_id: int
    resource: str
    id: str
    title: str | None
    fields: dict[str, Any]
    links: dict[str, LinkValue]
    state: str
    version: int
    observed_at: str
    changed_at: str
    source_time: str | None
    origin: dict[str, Any]
    invalid_fields: list[str]
    confirmed_at: str | None


class ObjectReplayed(Struct, frozen=True, kw_only=True):
    """One object that would change."""

    integration_id: int
    resource: str
    id: str
    change: str
    fields: list[FieldReplayed]


class Overview(Struct, frozen=True, kw_only=True):
    """Everything the set-up page shows."""

    steps: list[SetupStep]
    texts: SetupTexts
    plan: Plan | None
    webhook_url: WebhookUrl | None
    problem: str | None


class Plan(Struct, frozen=True, kw_only=True):
    """What set-up would do: wanted against there."""

    receiver: ReceiverState | None
    present: list[SubscriptionState]
    missing: list[SubscriptionState]
    inactive: list[SubscriptionState]
    extra: list[SubscriptionState]
    problems: list[str]


class Readable(Struct, frozen=True, kw_only=True):
    """Whether the key may read a resource, and how much there is."""

    resource: str
    readable: bool
    count: int | None = None
    reason: str | None = None


class ReceiverState(Struct, frozen=True, kw_only=True):
    """A receiver in ION, without its address and secret."""

    id: str
    name: str
    active: bool


class Replayed(Struct, frozen=True, kw_only=True):
    """What a replay did, or would do."""

    dry_run: bool
    events: int
    objects: int
    not_understood: int
    changes: list[ObjectReplayed] = []


class ResourceCount(Struct, frozen=True, kw_only=True):
    """A resource and how much of it the mirror has."""

    resource: str
    title: str
    objects: int
    stale: int
    deleted: int
    changed_at: str | None


class ResourceFreshness(Struct, frozen=True, kw_only=True):
    """How much one resource of the mirror can be trusted now; lateness is of the last day, in seconds."""

    resource: str
    state: str
    stale: int
    failing: int
    proven_at: str | None
    proven_by: str | None
    watermark: str | None
    skipped: str | None
    changes: int = 0
    p50_seconds: float | None = None
    p99_seconds: float | None = None
    cause: Cause | None = None


class Retention(Struct, frozen=True, kw_only=True):
    """How long the past of an integration is kept, what would be removed of it now, and what was removed last."""

    integration_id: int
    keep: RetentionPeriods
    would_remove: dict[str, ExpiredCounts]
    history_since: str | None
    ran_at: str | None
    removed: dict[str, int]
    next_run_at: str | None


class RetentionPeriods(Struct, frozen=True, kw_only=True):
    """How many days each kind of the past is kept; null: for ever. The mirror itself always is."""

    events: int | None = 90
    versions: int | None = None
    verifications: int | None = 365
    fetches: int | None = 30
    drift: int | None = 365


class RotatedUrl(Struct, frozen=True, kw_only=True):
    """A successor; `moved` tells whether ION posts to it already, `detail` what is left to do."""

    id: int
    integration_id: int
    name: str
    last_four: str
    state: str
    replaces_id: int | None
    expires_at: str | None
    receiver_id: str | None
    verifies: bool
    signature_format: str | None
    wanted: list[tuple[str, str]] | None
    created_at: str
    subscribed_at: str | None
    first_delivery_at: str | None
    last_delivery_at: str | None
    first_verified_at: str | None
    refused: int
    last_refused_at: str | None
    last_failure: str | None
    last_failure_at: str | None
    url: str
    moved: bool
    detail: str


class SavedView(Struct, frozen=True, kw_only=True):
    """A table under a name; `query` is the query part of its address."""

    id: int
    resource: str
    name: str
    query: str


class SelectableResource(Struct, frozen=True, kw_only=True):
    """A resource that can be mirrored."""

    resource: str
    title: str
    domain: str
    chosen: bool
    offered: bool
    objects: int


class Session(Struct, frozen=True, kw_only=True):
    """One browser in which a person is signed in, without its token."""

    id: int
    user_id: int
    way: str
    browser: str
    source: str
    created_at: str
    last_used_at: str
    expires_at: str


class SetupResult(Struct, frozen=True, kw_only=True):
    """What automatic set-up did."""

    webhook_url: WebhookUrl
    receiver_created: bool
    subscribed: int
    activated: int
    removed: int
    refused: list[str]
    plan: Plan


class SetupStep(Struct, frozen=True, kw_only=True):
    """One step of the way, done or not."""

    name: str
    done: bool
    detail: str


class SetupTexts(Struct, frozen=True, kw_only=True):
    """What to paste into ION's query runner, in this order."""

    receiver_mutation: str
    receiver_variables: str
    subscription_document: str
    subscription_variables: str
    placeholder: str
    receiver_placeholder: str


class SignInLink(Struct, frozen=True, kw_only=True):
    """A link that signs a person in once, within 15 minutes."""

    url: str


class Status(Struct, frozen=True, kw_only=True):
    """The hub at a glance."""

    version: str
    public_url: str
    integrations: list[IntegrationStatus]


class SubscriptionState(Struct, frozen=True, kw_only=True):
    """A pair, under the names of the catalog, and ION's subscription to it where there is one."""

    resource: str
    action: str
    id: str | None = None


class Summary(Struct, frozen=True, kw_only=True):
    """One integration at a glance."""

    integration_id: int
    objects: int
    stale: int
    waiting_events: int
    last_event_at: str | None
    last_fetch_at: str | None
    proven_at: str | None
    stale_since: str | None = None


class TestResult(Struct, frozen=True, kw_only=True):
    """What a connection test found."""

    ok: bool
    tested_at: str
    viewer: Viewer | None
    resources: list[Readable]
    findings: list[IntegrationsConnectionTestFinding]


class User(Struct, frozen=True, kw_only=True):
    """A person who signs in."""

    id: int
    name: str
    role: str
    created_at: str
    last_sign_in_at: str | None
    issuer: str | None = None
    provider_email: str | None = None


class Verification(Struct, frozen=True, kw_only=True):
    """One comparison of the mirror with ION, object by object; `objects` are those of ION compared so far."""

    id: int
    integration_id: int
    state: str
    sample: int | None
    mirrored: int | None
    requested_by: str
    started_at: str
    finished_at: str | None
    error: str | None
    resources: int
    resources_done: int
    total: int
    objects: int
    equal: int
    missing: int
    extra: int
    different: int
    displayed: int
    invalid: int
    suspected: int
    unsettled: int
    samples: list[DifferenceDetail]


class VersionDetail(Struct, frozen=True, kw_only=True):
    """One content an object had, and how it differs from the one before."""

    version: int
    change: str
    changed: list[str]
    changes: list[FieldChange]
    fields: dict[str, Any]
    source_time: str | None
    observed_at: str
    origin: dict[str, Any]
    by: Author | None = None


class Viewer(Struct, frozen=True, kw_only=True):
    """Who ION takes the key for."""

    name: str | None = None
    email: str | None = None
    organization: str | None = None


class WebhookUrl(Struct, frozen=True, kw_only=True):
    """An address for deliveries, without its secret part."""

    id: int
    integration_id: int
    name: str
    last_four: str
    state: str
    replaces_id: int | None
    expires_at: str | None
    receiver_id: str | None
    verifies: bool
    signature_format: str | None
    wanted: list[tuple[str, str]] | None
    created_at: str
    subscribed_at: str | None
    first_delivery_at: str | None
    last_delivery_at: str | None
    first_verified_at: str | None
    refused: int
    last_refused_at: str | None
    last_failure: str | None
    last_failure_at: str | None


class WrongResource(Struct, frozen=True, kw_only=True):
    """What one cause did to one resource; seconds are how long it was wrong, to a fifth."""

    resource: str
    cause: str
    meaning: str
    count: int
    share: float
    p50_seconds: float | None
    p99_seconds: float | None
    healed_by: dict[str, int]
