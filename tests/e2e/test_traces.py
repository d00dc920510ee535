"""A running hub exports traces by OTLP that lead from a delivery to its version."""

import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.alert_sinks import Sink, http_sink
from tests.conftest import send

from ultraviolet import tracing

GIVEN = "0af7651916cd43dd8448eb211c80319c"
BODY = b'{"eventId": 1, "resource": "SUPPLIERS", "action": "CREATE", "id": 7, "new": {"id": 7, "name": "Acme"}}'


def spans(sink: Sink, name: str) -> list[Any]:
    found = []
    for _, body in sink.posts:
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            found += [s for scope in of_resource.scope_spans for s in scope.spans if s.name == name]
    return found


def noted(span: Any, name: str) -> Any:
    [value] = [each.value for each in span.attributes if each.key == name]
    return (
        [one.string_value for one in value.array_value.values]
        or value.int_value
        or value.string_value
    )


def test_trace_of_delivery_leads_to_version(start_hub: Any, wait: Any) -> None:
    with http_sink() as sink:
        at = sink.url.split("/hook")[0]
        hub = start_hub(OTEL_EXPORTER_OTLP_ENDPOINT=at, OTEL_BSP_SCHEDULE_DELAY="100")
        ion = {"name": "plant", "api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
        hub.api("POST", "/integrations", ion | {"client_id": "id", "client_secret": "secret"})
        url = hub.api("POST", "/integrations/1/webhook-urls", {})["url"]
        for body in (BODY, BODY.replace(b"7", b"8").replace(b'"eventId": 1', b'"eventId": 2')):
            assert send("POST", url, body, traceparent=f"00-{GIVEN}-b7ad6b7169203331-01")[0] == 200
        wait(lambda: sum(len(s.links) for s in spans(sink, "apply")) == 2, 30, "both were applied")
        send("GET", url.split("/hooks")[0] + "/sign-in/uvl_marked")
        hub.child.stop()

    assert hub.child.process.returncode == 0
    assert not [body for _, body in sink.posts if b"uvl_marked" in body], (
        "a link in a trace would let in"
    )
    deliveries = spans(sink, "delivery")
    assert [noted(span, "http.response.status_code") for span in deliveries] == [200, 200]
    for span in deliveries:
        assert span.links[0].trace_id.hex() == GIVEN, (
            "who called is linked to, and does not choose our trace"
        )
        assert span.trace_id.hex() != GIVEN
        [commit] = [
            s
            for s in spans(sink, "deliveries.commit")
            if span.span_id in {x.span_id for x in s.links}
        ]
        assert [s for s in spans(sink, "database.write") if s.parent_span_id == commit.span_id]
        [applied] = [
            s for s in spans(sink, "apply") if span.span_id in {x.span_id for x in s.links}
        ]
        assert {x.trace_id for x in applied.links} >= {span.trace_id}
        assert span.start_time_unix_nano < applied.end_time_unix_nano
    versions = [one for span in spans(sink, "apply") for one in noted(span, "ultraviolet.versions")]
    assert sorted(versions) == ["suppliers/7@1", "suppliers/8@1"]
    [asked] = [
        s
        for s in spans(sink, "api")
        if noted(s, "url.path") == "/api/v1/integrations/1/webhook-urls"
    ]
    assert {s.name for s in spans(sink, "database.write") if s.parent_span_id == asked.span_id}


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        (
            {
                "OTEL_TRACES_EXPORTER": "none",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
            },
            False,
        ),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_traces_are_disabled_by_default(environment: dict[str, str], wanted: bool) -> None:
    assert tracing.is_configured(environment) == wanted


def test_opentelemetry_is_not_loaded_when_disabled() -> None:
    code = "import sys, ultraviolet.server.serve; print([m for m in sys.modules if 'opentelemetry' in m])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
