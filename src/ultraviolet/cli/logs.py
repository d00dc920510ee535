"""How processes log: on stderr, for people on a terminal and as JSON elsewhere; never a local variable."""

import logging
import os
import sys

import structlog


def configure(level: int = logging.INFO) -> None:
    """Set up logging for this process."""
    terminal = sys.stderr.isatty()
    # Tracebacks without locals: they could hold credentials.
    colors = not os.environ.get("NO_COLOR")
    last: list[structlog.types.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]
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
