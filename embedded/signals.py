"""How a command of the embedded profile is told to stop."""

import signal


def interrupt_when_terminated() -> None:
    """Let SIGTERM, and a terminal that closes, end this command as Ctrl-C does: by KeyboardInterrupt.

    What is ignored stays ignored, as under `nohup`.
    """
    for sig in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(sig) is not signal.SIG_IGN:
            signal.signal(sig, signal.default_int_handler)
