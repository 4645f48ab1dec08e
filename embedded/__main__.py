"""`python -m embedded`: run the whole service until Ctrl-C or SIGTERM."""

import os
import sys
import time

from rich.console import Console
from rich.markup import escape

from api.errors import SettingsError
from api.settings import load_settings
from embedded.errors import EmbeddedError
from embedded.service import running_service
from embedded.signals import interrupt_when_terminated
from embedded.supervisor import Supervisor

WATCH_SECONDS = 0.5


def main() -> int:
    """Run the service with the settings of the environment, and start again what ends.

    The exit code is 1 if the service did not start.
    """
    interrupt_when_terminated()
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        settings = load_settings()
        settings.check_exposure()
        settings.open_folders()
        data_dir = settings.data_dir.resolve()
        console.print(f"Starting TD3 Service; data and logs are in {escape(str(data_dir))}")
        with running_service(
            data_dir=data_dir,
            environment=os.environ,
            host=settings.host,
            port=settings.port or None,
            broker_url=settings.broker_url,
        ) as service:
            console.print(f"[bold green]Ready[/] at {service.url}; API documentation at {service.url}/docs")
            console.print(f"Logs: {escape(str(service.log_dir))}/*.log. Press Ctrl-C to stop the service.")
            supervisor = Supervisor(
                service.children,
                service.start,
                tell=lambda text: console.print("[bold yellow]Warning:[/]", escape(text)),
            )
            while True:
                time.sleep(WATCH_SECONDS)
                supervisor.mend()
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 0
    except (SettingsError, EmbeddedError) as error:
        console.print("[bold red]Error:[/]", escape(str(error)))
        return 1


if __name__ == "__main__":
    sys.exit(main())
