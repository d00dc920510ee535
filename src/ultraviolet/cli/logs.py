"""How processes log: on stderr, for people on a terminal and as JSON elsewhere; never a local variable."""

import logging
import os
import sys

import structlog
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from ultraviolet.characters import visible


def configure(level: int = logging.INFO) -> None:
    """Set up logging for this process."""
    terminal = sys.stderr.isatty()
    # Tracebacks without locals: they could hold credentials.
    colors = not os.environ.get("NO_COLOR")
    last: list[structlog.types.Processor] = (
        [
            _make_visible,
            structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback),
        ]
        if terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    set_on_retry_hooks([_tell_retry])


def _make_visible(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Keep what others have written from commanding the terminal."""
    return {name: visible(value) if isinstance(value, str) else value for name, value in event.items()}


def _tell_retry(details: RetryDetails) -> None:
    """Say what failed and is tried again; stamina itself would name the block of code."""
    cause = details.caused_by
    structlog.get_logger().warning(
        "attempt.failed",
        attempt=details.retry_num,
        error=f"{type(cause).__name__}: {cause}",
        again_in=round(details.wait_for, 2),
    )
