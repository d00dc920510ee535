"""The response types of the API, generated from the OpenAPI document."""


# Written by `make client` from the OpenAPI document; do not edit.

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

Action: TypeAlias = Literal[
    "repair_webhooks",
    "set_up_webhooks",
    "fetch",
    "test",
    "fix_credentials",
    "resume",
    "full_fetch",
    "rotate_webhook",
    "show_freshness",
    "show_fetches",
]
"""What a user can do about a finding: a button or link on pages, and a command."""


class Alert(Struct, frozen=True, kw_only=True):
    """A problem that needs or needed a person."""

    id: int
    integration_id: int | None
    integration: str | None
    topic: str
    message: str
    next_step: str
    opened_at: str
    fixed_at: str | None


class ApiKey(Struct, frozen=True, kw_only=True):
    """An API key, without the key itself."""

    id: int
    name: str
    role: str
    last_four: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None


class Attribute(Struct, frozen=True, kw_only=True):
    """A page of Attribute."""

    resource: str
    name: str
    type: str
    column: str


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One recorded action."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str
    detail: dict[str, Any] | None


class Author(Struct, frozen=True, kw_only=True):
    """The author of a change in ION; `source` is the event or the object that names them."""

    id: str
    name: str | None
    source: str


class ChangeList(Struct, frozen=True, kw_only=True):
    """Changes in order. `next` is never null: pass it as `cursor`, at once if `more` is true."""

    items: list[ObjectChange]
    next: str
    more: bool


class Comparison(Struct, frozen=True, kw_only=True):
    """One object at two times, its differences, and the versions in between, newest first."""

    before: ObjectAt | None
    after: ObjectAt | None
    changes: list[FieldChange]
    versions: list[VersionDetail]


class CreatedAlertDestination(Struct, frozen=True, kw_only=True):
    """A new destination; `secret` verifies signed webhooks and is shown only once."""

    id: int
    name: str
    kind: str
    shown: str
    created_at: str
    last_result: str | None
    last_well: bool | None
    last_at: str | None
    secret: str | None


class CreatedApiKey(Struct, frozen=True, kw_only=True):
    """A new API key, which is shown only once, as `token`."""

    id: int
    name: str
    role: str
    token: str
    expires_at: str | None


class CreatedWebhookUrl(Struct, frozen=True, kw_only=True):
    """A new webhook URL; `url` is shown only once."""

    id: int
    integration_id: int
    name: str
    last_four: str
    state: str
    replaces_id: int | None
    expires_at: str | None
    receiver_id: str | None
    receiver_problem: str | None
    verifies: bool
    signature_format: str | None
    wanted: list[tuple[str, str]] | None
    manual: bool
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
    """A destination of alerts, without its secrets."""

    id: int
    name: str
    kind: str
    shown: str
    created_at: str
    last_result: str | None
    last_well: bool | None
    last_at: str | None


class Difference(Struct, frozen=True, kw_only=True):
    """The change of one object between two times."""

    id: str
    change: str
    changes: list[FieldChange]


class DifferenceDetail(Struct, frozen=True, kw_only=True):
    """An object that differs between ION and mirror; `fields` has both values by field name."""

    resource: str
    id: str
    kind: str
    state: str
    fields: dict[str, Any]
    detail: str | None


class DriftCause(Struct, frozen=True, kw_only=True):
    """Changes of one resource with one cause; durations are exact to 20 %."""

    resource: str
    cause: str
    label: str
    meaning: str
    count: int
    changes: int
    share: float
    p50_seconds: float | None
    p99_seconds: float | None
    healed_by: dict[str, int]


class DriftInterval(Struct, frozen=True, kw_only=True):
    """One hour or day: the number of changes, and of corrections by cause."""

    at: str
    changes: int
    causes: dict[str, int]


class DriftReport(Struct, frozen=True, kw_only=True):
    """Corrections in a time range, and the changes that were understood from events."""

    changes: int
    wrong: int
    objects: int
    causes: list[DriftCause]
    understood: list[DriftCause]
    over_time: list[DriftInterval]
    samples: list[DriftSample]


class DriftSample(Struct, frozen=True, kw_only=True):
    """An object that webhooks alone would have left wrong."""

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
    """One event from ION, recorded once for all its deliveries."""

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
    object_title: str | None = None
    changed: list[str] = []
    latency_seconds: float | None = None
    receivers: int = 1


class EventDetail(Struct, frozen=True, kw_only=True):
    """One event with its headers and its raw body."""

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
    object_title: str | None = None
    changed: list[str] = []
    latency_seconds: float | None = None
    receivers: int = 1
    headers: dict[str, str]
    body: str


class ExpiredCounts(Struct, frozen=True, kw_only=True):
    """A page of ExpiredCounts."""

    count: int
    bytes: int
    oldest: str | None
    more: bool = False


class Fetch(Struct, frozen=True, kw_only=True):
    """One sync and its progress; `total` is the number of objects that ION reported."""

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
    """One sync with its progress by resource."""

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
    waits_because: str | None


class FetchStep(Struct, frozen=True, kw_only=True):
    """Progress of one resource in a sync."""

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
    """The old and new value of a field or of a custom attribute, `attributes.Priority`."""

    name: str
    old: Any
    new: Any


class FieldReplayed(Struct, frozen=True, kw_only=True):
    """A field that would change."""

    name: str
    old: Any
    new: Any


class Finding(Struct, frozen=True, kw_only=True):
    """A problem or a note: what happened, its effect on the data, and the next step."""

    kind: str
    severity: str
    message: str
    next_step: str
    action: Action | None = None
    subject: str = ""
    repaired: bool = False


class ImportResult(Struct, frozen=True, kw_only=True):
    """The number of lines by result."""

    read: int
    added: int
    known: int


class IndexResult(Struct, frozen=True, kw_only=True):
    """The indexes being created."""

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
    """Freshness of the mirror of an integration, with its figures."""

    integration_id: int
    state: State
    sentence: str
    findings: list[Finding]
    last_change_at: str | None
    proven_at: str | None
    changes: int
    p50_seconds: float | None
    p99_seconds: float | None
    resources: list[ResourceFreshness]
    summary: Summary


class IntegrationStatus(Struct, frozen=True, kw_only=True):
    """Status of one integration."""

    integration_id: int
    objects: int
    stale: int
    waiting_events: int
    last_event_at: str | None
    last_fetch_at: str | None
    proven_at: str | None
    stale_since: str | None = None
    name: str
    state: State
    sentence: str


class IonSchema(Struct, frozen=True, kw_only=True):
    """The part of ION's GraphQL schema that the hub uses, as ION's introspection showed it."""

    read: bool
    types: dict[str, list[str]]


class LinkValue(Struct, frozen=True, kw_only=True):
    """The target of a link; `found` is true if the mirror has it."""

    resource: str
    id: str
    title: str | None
    found: bool


class Me(Struct, frozen=True, kw_only=True):
    """The caller."""

    name: str
    role: str


class ObjectAt(Struct, frozen=True, kw_only=True):
    """The state of one object at a time."""

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
    """A new version of an object; `cursor` is the position after it."""

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
    """The current state of one object in the mirror."""

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
    linked: dict[str, Any]


class ObjectReplayed(Struct, frozen=True, kw_only=True):
    """An object that would change."""

    integration_id: int
    resource: str
    id: str
    change: str
    fields: list[FieldReplayed]


class Overview(Struct, frozen=True, kw_only=True):
    """The status of setup and the texts for manual setup."""

    steps: list[SetupStep]
    texts: SetupTexts
    plan: Plan | None
    webhook_url: WebhookUrl | None
    problem: str | None


class Plan(Struct, frozen=True, kw_only=True):
    """The difference between the desired and the actual subscriptions."""

    receiver: ReceiverState | None
    present: list[SubscriptionState]
    missing: list[SubscriptionState]
    inactive: list[SubscriptionState]
    extra: list[SubscriptionState]
    problems: list[str]
    elsewhere: int = 0
    elsewhere_on: list[str] = []


class Readable(Struct, frozen=True, kw_only=True):
    """Whether the key may read a resource, and its number of objects."""

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
    """The result of a replay or preview."""

    dry_run: bool
    events: int
    objects: int
    not_understood: int
    changes: list[ObjectReplayed] = []


class ResourceCount(Struct, frozen=True, kw_only=True):
    """A resource with its number of objects in the mirror."""

    resource: str
    title: str
    objects: int
    stale: int
    deleted: int
    changed_at: str | None


class ResourceFreshness(Struct, frozen=True, kw_only=True):
    """The freshness of one resource; latencies are of the last 24 hours."""

    resource: str
    state: State
    stale: int
    failing: int
    proven_at: str | None
    proven_by: str | None
    watermark: str | None
    skipped: str | None
    changes: int = 0
    p50_seconds: float | None = None
    p99_seconds: float | None = None
    finding: Finding | None = None


class Retention(Struct, frozen=True, kw_only=True):
    """The retention of an integration, the data eligible for deletion, and the last purge."""

    integration_id: int
    keep: RetentionPeriods
    would_remove: dict[str, ExpiredCounts]
    history_since: str | None
    ran_at: str | None
    removed: dict[str, int]
    next_run_at: str | None


class RetentionPeriods(Struct, frozen=True, kw_only=True):
    """The number of days to keep each kind of data; null means forever."""

    events: int | None = 90
    versions: int | None = None
    verifications: int | None = 365
    fetches: int | None = 30
    drift: int | None = 365


class RotatedWebhookUrl(Struct, frozen=True, kw_only=True):
    """The new webhook URL.

    `moved` is true if ION already posts to it, `detail` has the next step.
    """

    id: int
    integration_id: int
    name: str
    last_four: str
    state: str
    replaces_id: int | None
    expires_at: str | None
    receiver_id: str | None
    receiver_problem: str | None
    verifies: bool
    signature_format: str | None
    wanted: list[tuple[str, str]] | None
    manual: bool
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
    """A named table; `query` is the query string of its URL."""

    id: int
    resource: str
    name: str
    query: str
    shared: bool
    owner: str | None


class SelectableResource(Struct, frozen=True, kw_only=True):
    """A resource that can be mirrored."""

    resource: str
    title: str
    domain: str
    chosen: bool
    offered: bool
    objects: int


class Session(Struct, frozen=True, kw_only=True):
    """A browser in which a user is signed in, without its token."""

    id: int
    user_id: int
    way: str
    browser: str
    source: str
    created_at: str
    last_used_at: str
    expires_at: str


class SetupResult(Struct, frozen=True, kw_only=True):
    """The result of automatic setup."""

    webhook_url: WebhookUrl
    receiver_created: bool
    corrected: list[str]
    subscribed: int
    activated: int
    removed: int
    refused: list[str]
    plan: Plan


class SetupStep(Struct, frozen=True, kw_only=True):
    """One step of the setup, with its status."""

    name: str
    done: bool
    detail: str
    needed: bool = True


class SetupTexts(Struct, frozen=True, kw_only=True):
    """Texts to paste into ION's query runner, in this order."""

    receiver_mutation: str
    receiver_variables: str
    subscription_document: str
    subscription_variables: str
    placeholder: str
    receiver_placeholder: str


class SignInLink(Struct, frozen=True, kw_only=True):
    """A sign-in link, valid once and for 15 minutes."""

    url: str


State: TypeAlias = Literal[
    "deleting",
    "paused",
    "failing",
    "unsynced",
    "stale",
    "unconfirmed",
    "ageing",
    "catching_up",
    "fresh",
]
"""The state of an integration's mirror or of one of its resources, the worst first."""


class Status(Struct, frozen=True, kw_only=True):
    """Status of the hub."""

    version: str
    public_url: str
    problem: str | None
    integrations: list[IntegrationStatus]


class StoredFinding(Struct, frozen=True, kw_only=True):
    """A finding of an integration, stored until it is resolved."""

    kind: str
    severity: str
    message: str
    next_step: str
    action: Action | None = None
    subject: str = ""
    repaired: bool = False
    id: int
    integration_id: int
    found_at: str
    repaired_at: str | None
    resolved_at: str | None


class SubscriptionState(Struct, frozen=True, kw_only=True):
    """A resource of the catalog, an action, and the id of ION's subscription if it exists."""

    resource: str
    action: str
    id: str | None = None


class Summary(Struct, frozen=True, kw_only=True):
    """Key figures of an integration."""

    integration_id: int
    objects: int
    stale: int
    waiting_events: int
    last_event_at: str | None
    last_fetch_at: str | None
    proven_at: str | None
    stale_since: str | None = None


class TestResult(Struct, frozen=True, kw_only=True):
    """The result of a connection test."""

    ok: bool
    tested_at: str
    viewer: Viewer | None
    resources: list[Readable]
    findings: list[Finding]


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
    """One verification; `objects` is the number of ION's objects compared so far."""

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
    """One version of an object and its changes from the previous version."""

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
    """The owner of the API key in ION."""

    name: str | None = None
    email: str | None = None
    organization: str | None = None


class WebhookUrl(Struct, frozen=True, kw_only=True):
    """A webhook URL without its secret part."""

    id: int
    integration_id: int
    name: str
    last_four: str
    state: str
    replaces_id: int | None
    expires_at: str | None
    receiver_id: str | None
    receiver_problem: str | None
    verifies: bool
    signature_format: str | None
    wanted: list[tuple[str, str]] | None
    manual: bool
    created_at: str
    subscribed_at: str | None
    first_delivery_at: str | None
    last_delivery_at: str | None
    first_verified_at: str | None
    refused: int
    last_refused_at: str | None
    last_failure: str | None
    last_failure_at: str | None
