"""Structured logging: our events and the messages of libraries, in one format on standard error."""

import logging
import sys
import types
from typing import Literal

import structlog

from api.telemetry import correlation

LogStyle = Literal["auto", "json", "console"]
LONGEST_VALUE = 1000
"""Characters of a value in a line, such as a path that a client made up."""


def configure_logging(*, level: str, style: LogStyle) -> None:
    """Configure structlog and the root logger; values bound to the context are added to every line."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        correlation.add_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _cut,
                *_renderers(style),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    # Their messages repeat ours.
    logging.getLogger("httpx").setLevel(max(logging.WARNING, root.level))
    logging.getLogger("alembic").setLevel(max(logging.WARNING, root.level))


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: types.TracebackType | None
) -> None:
    """Log an uncaught exception in the same format as all others; ignore Ctrl-C."""
    if issubclass(kind, Exception):
        structlog.get_logger("uncaught").critical("process.failed", exc_info=(kind, error, traceback))


def _renderers(style: LogStyle) -> list[structlog.typing.Processor]:
    """Return the renderers; tracebacks have no local variables, which may contain data of users."""
    if style == "console" or (style == "auto" and sys.stderr.isatty()):
        plain = structlog.dev.plain_traceback
        colours = sys.stderr.isatty()
        return [_escape, structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)]
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]


def _cut(_logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Shorten long values, so that no request makes a long line."""
    for name, value in line.items():
        if isinstance(value, str) and len(value) > LONGEST_VALUE:
            line[name] = f"{value[:LONGEST_VALUE]}... ({len(value)} characters)"
    return line


def _escape(_logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape what could begin a line of its own or command a terminal; JSON does so anyway."""
    for name, value in line.items():
        if isinstance(value, str) and not value.isprintable():
            line[name] = "".join(
                character if character.isprintable() else character.encode("unicode_escape").decode()
                for character in value
            )
    return line
