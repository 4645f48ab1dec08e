"""`python -m embedded`: run the whole service until Ctrl-C or SIGTERM."""

import os
import sys
import time
from contextlib import ExitStack

from rich.console import Console
from rich.markup import escape

from api.errors import SettingsError
from api.settings import load_settings
from embedded import access
from embedded.errors import EmbeddedError, NoKeyError
from embedded.service import Service, running_service
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
        if "access_control" not in settings.model_fields_set:
            settings = settings.model_copy(update={"access_control": "keys"})
        settings.check_exposure()
        settings.open_folders()
        data_dir = settings.data_dir.resolve()
        console.print(f"Starting TD3 Service; data and logs are in {escape(str(data_dir))}")
        with ExitStack() as stack:
            service = stack.enter_context(
                running_service(
                    data_dir=data_dir,
                    environment=os.environ,
                    host=settings.host,
                    port=settings.port or None,
                    broker_url=settings.broker_url,
                    access_control=settings.access_control,
                )
            )
            console.print(f"[bold green]Ready[/] at {service.url}; API documentation at {service.url}/docs")
            console.print(f"Access: {escape(_access(service, stack))}")
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


def _access(service: Service, stack: ExitStack) -> str:
    """Let clients of this user find the key, and say who may use the service."""
    if service.key is None:
        return "whoever reaches it may do anything; TD3_ACCESS_CONTROL is off"
    told = f"by a key, which is in {service.key_file}"
    file = access.found_by_clients(service.url)
    if file is None:
        return f"{told}; td3 needs it in TD3_TOKEN"
    try:
        stack.enter_context(access.kept(service.key, file))
    except NoKeyError as error:
        return f"{told}; td3 needs it in TD3_TOKEN ({error})"
    return f"{told}; td3 finds it by itself"


if __name__ == "__main__":
    sys.exit(main())
