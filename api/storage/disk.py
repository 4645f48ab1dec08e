"""Errors of the operating system by our names."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from api.errors import StorageError, StorageFullError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def naming_errors(what: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn errors of these kinds, and the system's, into ours; `what` says what was tried.

    Clients read the message. What a library says may hold keys, addresses and requests, so that stays in the log,
    as the cause.

    Raises:
        StorageFullError: There is no space left, on the disk or in the quota.
        StorageError: Anything else.
    """
    try:
        yield
    except OSError as error:
        kind = StorageFullError if error.errno in FULL else StorageError
        raise kind(f"{what}: {error.strerror or type(error).__name__}") from error
    except kinds as error:
        raise StorageError(f"{what}: {type(error).__name__}") from error
