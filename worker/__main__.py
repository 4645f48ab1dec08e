"""`python -m worker`: execute runs from the queue, one at a time, each in its own process."""

import argparse
import sys
import warnings

from celery.exceptions import SecurityWarning

from api.errors import SettingsError
from worker.metrics import serving_run_metrics
from worker.resources import check_device, served_queues


def main() -> None:
    """Run the worker until SIGTERM or Ctrl-C. Its current run then goes back to the queue."""
    parser = argparse.ArgumentParser(
        prog="python -m worker",
        description=__doc__,
        epilog="It is configured by TD3_... environment variables.",
    )
    parser.add_argument("--name", default="td3@%h", help="name of the Celery node (default: td3@%%h)")
    arguments = parser.parse_args()
    try:
        from worker.app import app, settings

        settings.open_folders()
        check_device(settings)
    except SettingsError as error:
        sys.exit(f"error: {error}")
    # Celery warns about root because pickled messages could run code; our messages are JSON.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    queues = ",".join(served_queues(settings))
    with serving_run_metrics(settings):
        app.worker_main(
            [
                "--quiet",
                "worker",
                *(
                    "--queues",
                    queues,
                    "--hostname",
                    arguments.name,
                    "--pool",
                    "prefork",
                    "--concurrency",
                    "1",
                ),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ]
        )


if __name__ == "__main__":
    main()
