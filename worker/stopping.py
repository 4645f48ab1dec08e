"""How the main process of a worker tells its pool child to hand its run back.

It is one byte of memory that both share after the fork: it can be set in a signal handler, where a lock cannot be used.
"""

import mmap

_flag = mmap.mmap(-1, 1)


def request_stop() -> None:
    """Request the stop; called in the main process when it shuts down."""
    _flag[0] = 1


def stop_requested() -> bool:
    """Whether the stop was requested; called by the child at every step."""
    return _flag[0] != 0
