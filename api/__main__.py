"""`python -m api`: serve the API. Everything it needs is in `TD3_...` variables."""

import argparse
import sys

import structlog
import uvicorn

from api.app import create_app
from api.errors import SettingsError
from api.logs import configure_logging
from api.settings import Settings, load_settings
from api.tracing import configure_tracing

SHUTDOWN_SECONDS = 8
"""How long open requests may take to end once the server is told to stop."""


def main() -> None:
    """Run the server until it is told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m api",
        description=__doc__,
        epilog="; ".join(
            f"TD3_{name.upper()}: {field.description}" for name, field in Settings.model_fields.items()
        ),
    )
    parser.parse_args()
    try:
        settings = load_settings()
        app = create_app(settings)
        _ = settings.required_broker_url
    except SettingsError as error:
        sys.exit(f"error: {error}")
    configure_logging(level=settings.log_level, style=settings.log_format)
    configure_tracing(settings, process="api")
    structlog.get_logger(__name__).info("api.starting", host=settings.host, port=settings.port)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


if __name__ == "__main__":
    main()
