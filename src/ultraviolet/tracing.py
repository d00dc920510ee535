"""Traces by OpenTelemetry, from a delivery to the version it made; off unless the OTEL_* variables ask for them.

Nothing of OpenTelemetry is loaded while they are off, and a span is then one look at a variable. The context of a
delivery is kept with its event, so that the batch which applies it, later and perhaps in another process, links to it.
"""

import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import structlog

import ultraviolet

_MOST_LINKS = 128
"""What the SDK keeps of a span, unless it is told otherwise."""

log = structlog.get_logger()


class Span(Protocol):
    """Something that takes time."""

    def note(self, **values: Any) -> None:
        """Say what came of it."""
        ...


class _NoSpan:
    def note(self, **values: Any) -> None:
        """Nobody wants to know."""


class _Running:
    def __init__(self, span: Any) -> None:
        self._span = span

    def note(self, **values: Any) -> None:
        """Say what came of it."""
        self._span.set_attributes(_named(values))


class _Tracing:
    """OpenTelemetry at work in this process."""

    def __init__(self) -> None:
        from opentelemetry.context import Context  # noqa: PLC0415  only those who want traces pay for it
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace import Link, get_current_span, get_tracer  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self._nothing = Context()
        self._current = get_current_span
        self._link = Link
        self._reads = TraceContextTextMapPropagator()
        named = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "ultraviolet"}
        resource = Resource.create(
            {**named, "service.version": ultraviolet.__version__, "process.pid": os.getpid()}
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
        since: int | None,
        *,
        root: bool,
    ) -> Generator[Span]:
        """Time what is done within."""
        with self._tracer.start_as_current_span(
            name,
            context=self._nothing if root else None,
            attributes=_named(values),
            links=self._links(links),
            start_time=since,
        ) as span:
            yield _Running(span)

    def current(self) -> str | None:
        """Write down where we are."""
        carrier: dict[str, str] = {}
        self._reads.inject(carrier)
        return carrier.get("traceparent")

    def inside(self) -> bool:
        """Return whether something is being timed and kept."""
        return self._current().is_recording()

    def _links(self, told: Iterable[str]) -> list[Any]:
        contexts = [
            self._current(
                self._reads.extract({"traceparent": one}, self._nothing)
            ).get_span_context()
            for one in dict.fromkeys(told)
        ]
        return [self._link(context) for context in contexts if context.is_valid][:_MOST_LINKS]


NO_SPAN: Span = _NoSpan()
"""What stands where nothing is timed."""
_OFF = nullcontext(NO_SPAN)
_tracing: _Tracing | None = None


def is_configured(environment: Mapping[str, str]) -> bool:
    """Return whether the standard variables ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    places = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return exporter != "none" and (
        exporter == "otlp" or any(environment.get(one) for one in places)
    )


def start() -> None:
    """Begin, where traces are asked for; without the packages it takes they stay off, and the log says so."""
    global _tracing  # noqa: PLW0603  as OpenTelemetry's own is: one for the process
    if not is_configured(os.environ):
        return
    try:
        _tracing = _Tracing()
    except ImportError as error:
        log.warning("traces.off", error=str(error), install="pip install 'ultraviolet[traces]'")


def stop() -> None:
    """Send what is left."""
    global _tracing
    tracing, _tracing = _tracing, None
    if tracing:
        tracing.provider.shutdown()


def is_enabled() -> bool:
    """Return whether anything is traced."""
    return _tracing is not None


def span(
    name: str,
    *,
    links: Iterable[str] = (),
    since: int | None = None,
    root: bool = False,
    **values: Any,
) -> AbstractContextManager[Span]:
    """Time what is done within; `since` is when it began, in nanoseconds, `root` leaves what surrounds it."""
    return _OFF if _tracing is None else _tracing.span(name, values, links, since, root=root)


def child_span(name: str, **values: Any) -> AbstractContextManager[Span]:
    """Time a part of something that is timed; by itself it is not worth a trace."""
    if _tracing is None or not _tracing.inside():
        return _OFF
    return _tracing.span(name, values, (), None, root=False)


def current_traceparent() -> str | None:
    """Return where we are in the form of the header `traceparent`; None where nothing is traced."""
    return None if _tracing is None else _tracing.current()


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Put our names under one roof; those with a dot are OpenTelemetry's own."""
    named = {
        name if "." in name else f"ultraviolet.{name}": value for name, value in values.items()
    }
    return {name: value for name, value in named.items() if value is not None}
