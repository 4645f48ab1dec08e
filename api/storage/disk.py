"""Conversion of errors of the operating system and of libraries to storage errors."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from api.errors import StorageError, StorageFullError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def naming_errors(what: str, *kinds: type[Exception]) -> Iterator[None]:
    """Convert OSError and errors of these kinds to storage errors; `what` is the operation that failed.

    Clients can read the message. Messages of libraries may contain keys, addresses and requests, so they are only the
    cause of the error, which is logged.

    Raises:
        StorageFullError: The disk is full or the quota is used up.
        StorageError: Any other error.
    """
    try:
        yield
    except OSError as error:
        kind = StorageFullError if error.errno in FULL else StorageError
        raise kind(f"{what}: {error.strerror or type(error).__name__}") from error
    except kinds as error:
        raise StorageError(f"{what}: {type(error).__name__}") from error
