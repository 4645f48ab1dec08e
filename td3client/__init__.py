"""Python client of TD3 Service, with the `td3` command line. It does not depend on the packages of the service."""

from td3client.client import Client
from td3client.errors import (
    ClientError,
    DamagedDownloadError,
    InvalidHeaderError,
    InvalidIdError,
    InvalidSettingError,
    MissingFieldError,
    NotSavedError,
    PrivateFileError,
    RunFailedError,
    ServiceProblem,
    UnexpectedAnswerError,
    UnknownProfileError,
    UnreachableError,
)
from td3client.resources import Evaluation, Event, Job
from td3client.version import VERSION

__all__ = [
    "Client",
    "ClientError",
    "DamagedDownloadError",
    "Evaluation",
    "Event",
    "InvalidHeaderError",
    "InvalidIdError",
    "InvalidSettingError",
    "Job",
    "MissingFieldError",
    "NotSavedError",
    "PrivateFileError",
    "RunFailedError",
    "ServiceProblem",
    "UnexpectedAnswerError",
    "UnknownProfileError",
    "UnreachableError",
    "__version__",
]

__version__ = VERSION
