"""Ids, which become parts of paths: of URLs, and of files."""

import re

from td3client.errors import InvalidIdError

_REST = re.compile("[0-9A-Za-z]{1,64}")
_JOB, _EVALUATION = "job_", "eval_"


def is_evaluation(run_id: str) -> bool:
    """Whether this is the id of an evaluation; otherwise it is that of a job."""
    return run_id.startswith(_EVALUATION)


def job_path(job_id: str) -> str:
    """Return the path of a job; raises InvalidIdError."""
    return f"/v1/jobs/{_checked(job_id, _JOB)}"


def evaluation_path(evaluation_id: str) -> str:
    """Return the path of an evaluation; raises InvalidIdError."""
    return f"/v1/evaluations/{_checked(evaluation_id, _EVALUATION)}"


def run_path(run_id: str) -> str:
    """Return the path of a job or an evaluation; raises InvalidIdError."""
    return evaluation_path(run_id) if is_evaluation(run_id) else job_path(run_id)


def webhook_path(webhook_id: str) -> str:
    """Return the path of a webhook; raises InvalidIdError."""
    return f"/v1/webhooks/{_checked(webhook_id, 'hook_')}"


def delivery_path(webhook_id: str, delivery_id: str) -> str:
    """Return the path of a delivery of a webhook; raises InvalidIdError."""
    return f"{webhook_path(webhook_id)}/deliveries/{_checked(delivery_id, 'msg_')}"


def key_path(key_id: str) -> str:
    """Return the path of an API key; raises InvalidIdError."""
    return f"/v1/keys/{_checked(key_id, 'key_')}"


def project_path(project_id: str) -> str:
    """Return the path of a project; raises InvalidIdError."""
    return f"/v1/projects/{project_id if project_id == 'default' else _checked(project_id, 'proj_')}"


def archive_name(job_id: str) -> str:
    """Return the file name of the summary of a job; raises InvalidIdError."""
    return f"{_checked(job_id, _JOB)}.zip"


def _checked(given: str, prefix: str) -> str:
    if not given.startswith(prefix) or not _REST.fullmatch(given[len(prefix) :]):
        raise InvalidIdError(given, prefix)
    return given
