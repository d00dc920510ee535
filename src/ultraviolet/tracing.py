"""OpenTelemetry traces from a delivery to the resulting versions, enabled by the OTEL_* variables.

Without these variables, OpenTelemetry is not imported and a span does nothing. The trace context of
a delivery is stored with its event, so that the batch that applies it can link to it, even in
another process.
"""

import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import structlog

import ultraviolet

_MAX_LINKS = 128
"""The SDK's default limit per span."""

log = structlog.get_logger()


class Span(Protocol):
    """A timed operation."""

    def set_attributes(self, **values: Any) -> None:
        """Add attributes to the span."""
        ...


class _NoSpan:
    def set_attributes(self, **values: Any) -> None:
        """Do nothing."""


class _RecordingSpan:
    def __init__(self, span: Any) -> None:
        self._span = span

    def set_attributes(self, **values: Any) -> None:
        """Add attributes to the span."""
        self._span.set_attributes(_attributes(values))


class _Tracing:
    """The OpenTelemetry SDK of this process."""

    def __init__(self) -> None:
        from opentelemetry.context import Context  # noqa: PLC0415  an optional dependency
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace import Link, get_current_span, get_tracer  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self._empty_context = Context()
        self._get_current_span = get_current_span
        self._link = Link
        self._propagator = TraceContextTextMapPropagator()
        service = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "ultraviolet"}
        resource = Resource.create(
            {**service, "service.version": ultraviolet.__version__, "process.pid": os.getpid()}
        )
        self.provider = TracerProvider(resource=resource)
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = get_tracer(
            "ultraviolet", ultraviolet.__version__, tracer_provider=self.provider
        )

    @contextmanager
    def span(
        self,
        name: str,
        values: Mapping[str, Any],
        links: Iterable[str],
        start_ns: int | None,
        *,
        root: bool,
    ) -> Generator[Span]:
        """Record a span around the body of a with statement."""
        linked = [
            self._get_current_span(
                self._propagator.extract({"traceparent": traceparent}, self._empty_context)
            ).get_span_context()
            for traceparent in dict.fromkeys(links)
        ]
        with self._tracer.start_as_current_span(
            name,
            context=self._empty_context if root else None,
            attributes=_attributes(values),
            links=[self._link(context) for context in linked if context.is_valid][:_MAX_LINKS],
            start_time=start_ns,
        ) as span:
            yield _RecordingSpan(span)

    def current(self) -> str | None:
        """Return the current trace context as a `traceparent` header."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get("traceparent")

    def is_recording(self) -> bool:
        """Return whether the current span is recorded."""
        return self._get_current_span().is_recording()


NO_SPAN: Span = _NoSpan()
_OFF = nullcontext(NO_SPAN)
_tracing: _Tracing | None = None


def is_configured(environment: Mapping[str, str]) -> bool:
    """Return whether the standard variables enable traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return exporter != "none" and (
        exporter == "otlp" or any(environment.get(name) for name in endpoints)
    )


def start() -> None:
    """Start tracing if the environment enables it; log a warning if the packages are missing."""
    global _tracing  # noqa: PLW0603  one per process, as in OpenTelemetry
    if not is_configured(os.environ):
        return
    try:
        _tracing = _Tracing()
    except ImportError as error:
        log.warning("traces.off", error=str(error), install="pip install 'ultraviolet[traces]'")


def stop() -> None:
    """Export the remaining spans and stop tracing."""
    global _tracing
    tracing, _tracing = _tracing, None
    if tracing:
        tracing.provider.shutdown()


def is_enabled() -> bool:
    """Return whether tracing is on."""
    return _tracing is not None


def span(
    name: str,
    *,
    links: Iterable[str] = (),
    start_ns: int | None = None,
    root: bool = False,
    **values: Any,
) -> AbstractContextManager[Span]:
    """Record a span; `root` starts a new trace, `start_ns` is an earlier start in nanoseconds."""
    return _OFF if _tracing is None else _tracing.span(name, values, links, start_ns, root=root)


def child_span(name: str, **values: Any) -> AbstractContextManager[Span]:
    """Record a span only within a recorded span."""
    if _tracing is None or not _tracing.is_recording():
        return _OFF
    return _tracing.span(name, values, (), None, root=False)


def current_traceparent() -> str | None:
    """Return the current trace context as a `traceparent` header; None without tracing."""
    return None if _tracing is None else _tracing.current()


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes with the prefix `ultraviolet.`, except standard names, which have a dot."""
    return {
        name if "." in name else f"ultraviolet.{name}": value
        for name, value in values.items()
        if value is not None
    }
