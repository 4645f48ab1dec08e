"""Signals that stop the commands of the embedded profile."""

import signal


def interrupt_when_terminated() -> None:
    """Make SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does.

    Signals that are ignored stay ignored, as under `nohup`.
    """
    for sig in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(sig) is not signal.SIG_IGN:
            signal.signal(sig, signal.default_int_handler)
