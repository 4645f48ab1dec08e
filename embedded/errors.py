"""All errors that the embedded profile raises deliberately."""

import signal
from pathlib import Path


class EmbeddedError(Exception):
    """Base class of the errors of the embedded profile."""


class ChildDiedError(EmbeddedError):
    """A process of the service exited unexpectedly."""

    def __init__(self, name: str, *, code: int, log: Path, tail: str) -> None:
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        end = f"last lines of {log}:\n{tail}" if tail else f"{log} is empty"
        self.cause = f"{name} exited unexpectedly ({how})"
        super().__init__(f"{self.cause}; {end}")
        self.name = name
        self.code = code


class NotReadyError(EmbeddedError):
    """A process of the service did not become ready in time."""

    def __init__(self, name: str, *, seconds: float, log: Path, tail: str) -> None:
        super().__init__(f"{name} was not ready within {seconds:.0f} s; last lines of {log}:\n{tail}")
        self.name = name


class PortTakenError(EmbeddedError):
    """The configured address is not available, usually because another process listens on it."""

    def __init__(self, host: str, port: int, *, reason: str) -> None:
        super().__init__(
            f"cannot listen on {host} port {port} ({reason}); stop the process that uses it, or choose another "
            "address with TD3_PORT or TD3_HOST"
        )


class NoKeyError(EmbeddedError):
    """The key of the user could not be made or kept."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no API key could be made for the user of this service: {reason}")


class DataDirUnusableError(EmbeddedError):
    """The data directory cannot be created or written to."""

    def __init__(self, data_dir: Path, error: OSError) -> None:
        super().__init__(
            f"the data directory {data_dir} cannot be used ({error.strerror}); choose another one with TD3_DATA_DIR"
        )


class DataDirInUseError(EmbeddedError):
    """Another service uses the data directory."""

    def __init__(self, data_dir: Path, holder: str) -> None:
        super().__init__(
            f"the data directory {data_dir} is in use by another service (process {holder}); "
            "stop that service, or choose another directory with TD3_DATA_DIR"
        )
