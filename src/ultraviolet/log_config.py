"""How processes log: on stderr, for people on a terminal and as JSON elsewhere; never a local variable or a secret."""

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


def configure(level: int = logging.INFO) -> None:
    """Set up logging for this process, also of what its libraries log and of errors that nothing catches."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    colors = not os.environ.get("NO_COLOR")
    # Tracebacks without locals, which could hold credentials; formatted before secrets are removed.
    last: list[structlog.types.Processor] = [structlog.processors.format_exc_info, redact_event]
    if sys.stderr.isatty():
        plain = structlog.dev.plain_traceback
        last += [
            _make_visible,
            structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain),
        ]
    else:
        last.append(structlog.processors.JSONRenderer())
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _configure_libraries(shared, last)
    set_on_retry_hooks([_tell_retry])
    sys.excepthook = _write_traceback
    threading.excepthook = _write_traceback_of_thread


def _configure_libraries(
    shared: list[structlog.types.Processor], last: list[structlog.types.Processor]
) -> None:
    """Write what uvicorn, aiohttp and asyncio log in the same form."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)


def _write_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))


def _write_traceback_of_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        _write_traceback(failed.exc_type, failed.exc_value, failed.exc_traceback)


def _make_visible(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Keep what others have written from commanding the terminal."""
    return {
        name: escape_controls(value) if isinstance(value, str) else value
        for name, value in event.items()
    }


def _tell_retry(details: RetryDetails) -> None:
    """Say what failed and is tried again; stamina itself would name the block of code."""
    cause = details.caused_by
    structlog.get_logger().warning(
        "attempt.failed",
        attempt=details.retry_num,
        error=f"{type(cause).__name__}: {cause}",
        again_in=round(details.wait_for, 2),
    )
