import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog

from api.telemetry.logs import LogStyle, configure_logging


@contextmanager
def configured(style: LogStyle) -> Iterator[None]:
    """With logs as the processes of the service configure them."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logging(level="INFO", style=style)
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


@pytest.mark.parametrize("style", ["json", "console"])
def test_tracebacks_do_not_show_what_users_sent(style: LogStyle, capsys: pytest.CaptureFixture[str]) -> None:
    with configured(style):
        sent = "a user's " + "secret"
        try:
            raise RuntimeError(f"{len(sent)} letters")
        except RuntimeError:
            structlog.get_logger("test").exception("run.internal_error")
    written = capsys.readouterr().err
    assert "run.internal_error" in written
    assert "15 letters" in written
    assert "a user's secret" not in written
    if style == "json":
        assert json.loads(written)["exception"][0]["exc_type"] == "RuntimeError"


HOSTILE = "/jobs/\n\x1b[2J2026-01-01 request.done \u202eevil\x00\u2028\r" + "x" * 100_000


@pytest.mark.parametrize("style", ["json", "console"])
def test_what_clients_send_makes_neither_long_lines_nor_lines_of_its_own(
    style: LogStyle, capsys: pytest.CaptureFixture[str]
) -> None:
    with configured(style):
        structlog.get_logger("test").info("request.done", path=HOSTILE)
        logging.getLogger("elsewhere").info("%s", HOSTILE)
    lines = capsys.readouterr().err.removesuffix("\n").split("\n")
    assert len(lines) == 2
    for line in lines:
        assert line.isprintable()
        assert len(line) < 1500
        assert f"({len(HOSTILE)} characters)" in line


UNCAUGHT = """
import logging, sys, warnings
from api.telemetry.logs import configure_logging
configure_logging(level="WARNING", style="json")
warnings.warn("it ages")
logging.getLogger("sqlalchemy.pool").error("lost %s", "a connection")
logging.getLogger("elsewhere").info("too quiet")
{}["what ends it"]
"""


def test_whatever_a_process_has_to_say_is_a_line_of_json() -> None:
    ended = subprocess.run([sys.executable, "-c", UNCAUGHT], capture_output=True, text=True, check=False)
    warned, lost, failed = (json.loads(line) for line in ended.stderr.splitlines())
    assert (warned["logger"], "it ages" in warned["event"]) == ("py.warnings", True)
    assert (lost["logger"], lost["level"], lost["event"]) == ("sqlalchemy.pool", "error", "lost a connection")
    assert (failed["event"], failed["exception"][0]["exc_type"]) == ("process.failed", "KeyError")
    assert ended.returncode == 1
