"""How the worker's main process tells its pool child to hand its run back.

One byte of memory that both share since the fork: it can be set in a signal handler, where a lock could not.
"""

import mmap

_flag = mmap.mmap(-1, 1)


def request_stop() -> None:
    """Called in the main process when it is told to shut down."""
    _flag[0] = 1


def stop_requested() -> bool:
    """Asked by the child at every step."""
    return _flag[0] != 0
