"""Every error the embedded profile raises on purpose; the messages are for the person at the terminal."""

import signal
from pathlib import Path


class EmbeddedError(Exception):
    """The embedded service cannot go on."""


class ChildDiedError(EmbeddedError):
    """A process of the service ended by itself."""

    def __init__(self, name: str, *, code: int, log: Path, tail: str) -> None:
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        end = f"the end of {log}:\n{tail}" if tail else f"{log} is empty"
        super().__init__(f"{name} ended unexpectedly ({how}); {end}")
        self.name = name
        self.code = code


class NotReadyError(EmbeddedError):
    """A process of the service started but does not answer."""

    def __init__(self, name: str, *, seconds: float, log: Path, tail: str) -> None:
        super().__init__(f"{name} did not answer within {seconds:.0f} s; the end of {log}:\n{tail}")
        self.name = name


class PortTakenError(EmbeddedError):
    """The address that was asked for cannot be listened on, most often as another process does."""

    def __init__(self, host: str, port: int, *, reason: str) -> None:
        super().__init__(
            f"cannot listen on {host} port {port} ({reason}); stop what listens there, "
            "or choose another with TD3_PORT or TD3_HOST"
        )


class DataDirInUseError(EmbeddedError):
    """Two services cannot share a data directory."""

    def __init__(self, data_dir: Path, holder: str) -> None:
        super().__init__(
            f"the data directory {data_dir} is in use by another service (process {holder}); "
            "stop that one, or choose another directory with TD3_DATA_DIR"
        )
