"""`python -m api`: serve the API. It is configured by `TD3_...` environment variables."""

import argparse
import contextlib
import sys

import structlog

from api.app import create_app
from api.errors import SettingsError
from api.http.server import Server, allow_connections
from api.settings import Settings, load_settings
from api.telemetry.logs import configure_logging
from api.telemetry.tracing import configure_tracing

SHUTDOWN_SECONDS = 8
"""Seconds that open requests have to finish when the server is stopped."""


def main() -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m api",
        description=__doc__,
        epilog="Environment variables:\n\n"
        + "\n".join(
            f"TD3_{name.upper()}: {field.description}" for name, field in Settings.model_fields.items()
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    try:
        settings = load_settings()
        settings.check_exposure()
        settings.open_folders()
        app = create_app(settings)
        _ = settings.required_broker_url
    except SettingsError as error:
        sys.exit(f"error: {error}")
    configure_logging(level=settings.log_level, style=settings.log_format)
    configure_tracing(settings, process="api")
    structlog.get_logger(__name__).info("api.starting", host=settings.host, port=settings.port)
    allow_connections(settings.max_connections)
    server = Server(
        app,
        max_connections=settings.max_connections,
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit("error: the server did not start; see its log")


if __name__ == "__main__":
    main()
