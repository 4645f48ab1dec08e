"""The Python client of TD3 Service and its `td3` command line; needs none of the service's own packages."""

from td3client.client import Client
from td3client.errors import (
    ClientError,
    DamagedDownloadError,
    NotSavedError,
    RunFailedError,
    ServiceProblem,
    UnreachableError,
)
from td3client.resources import Evaluation, Event, Job

__all__ = [
    "Client",
    "ClientError",
    "DamagedDownloadError",
    "Evaluation",
    "Event",
    "Job",
    "NotSavedError",
    "RunFailedError",
    "ServiceProblem",
    "UnreachableError",
]
