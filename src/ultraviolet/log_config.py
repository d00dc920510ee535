"""Logging to stderr: readable on a terminal, JSON elsewhere, without secrets or local variables."""

import logging
import os
import sys
import threading
import traceback
from types import TracebackType

import structlog
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from ultraviolet.characters import escape_controls
from ultraviolet.redaction import redact, redact_event


def configure(level: int = logging.INFO, *, readable: bool = False) -> None:
    """Configure logging for this process, its libraries and uncaught exceptions.

    Logs are JSON if stderr is not a terminal, unless they must be `readable`.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    # Tracebacks without locals, which could hold credentials; formatted before secrets are removed.
    final: list[structlog.types.Processor] = [structlog.processors.format_exc_info, redact_event]
    if readable or sys.stderr.isatty():
        plain = structlog.dev.plain_traceback
        final += [
            _escape_values,
            structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain),
        ]
    else:
        final.append(structlog.processors.JSONRenderer())
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # The messages of uvicorn, aiohttp and asyncio have the same format.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    set_on_retry_hooks([_log_retry])
    sys.excepthook = _write_traceback
    threading.excepthook = _write_traceback_of_thread


def _write_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))


def _write_traceback_of_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        _write_traceback(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)


def _escape_values(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Escape control characters, so that logged data cannot control the terminal."""
    return {
        name: escape_controls(value) if isinstance(value, str) else value
        for name, value in event.items()
    }


def _log_retry(details: RetryDetails) -> None:
    """Log the cause of a retry; stamina's own hook would log the block of code."""
    cause = details.caused_by
    structlog.get_logger().warning(
        "attempt.failed",
        attempt=details.retry_num,
        error=f"{type(cause).__name__}: {cause}",
        again_in=round(details.wait_for, 2),
    )
