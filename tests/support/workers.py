"""Workers as processes."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from api.settings import Settings
from embedded.process import ChildProcess


class Workers:
    """Starts workers with the test's settings."""

    def __init__(self, settings: Settings, folder: Path, stack: ExitStack) -> None:
        own = {
            f"TD3_{name.upper()}": str(value)
            for name, value in settings.model_dump().items()
            if value is not None
        }
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("TD3_")} | own
        self._folder, self._stack = folder, stack

    def start(self, name: str, **environment: str) -> ChildProcess:
        command = [sys.executable, "-m", "worker", "--name", name]
        log = self._folder / f"{name}.log"
        worker = ChildProcess(name, command, log=log, env=self._environment | environment)
        self._stack.callback(worker.stop, grace=20)
        return worker
