import json
import logging

import pytest
import structlog

from api.logs import LogStyle, configure_logging


@pytest.mark.parametrize("style", ["json", "console"])
def test_tracebacks_do_not_show_what_users_sent(style: LogStyle, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logging(level="INFO", style=style)
        sent = "a user's " + "secret"
        try:
            raise RuntimeError(f"{len(sent)} letters")
        except RuntimeError:
            structlog.get_logger("test").exception("run.internal_error")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    written = capsys.readouterr().err
    assert "run.internal_error" in written
    assert "15 letters" in written
    assert "a user's secret" not in written
    if style == "json":
        assert json.loads(written)["exception"][0]["exc_type"] == "RuntimeError"
