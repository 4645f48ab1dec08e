"""The environment of services that a test starts as processes."""

import os

BRISK = {
    "TD3_LEASE_SECONDS": "3",
    "TD3_HEARTBEAT_SECONDS": "0.5",
    "TD3_SWEEP_SECONDS": "0.5",
    "TD3_TORCH_THREADS": "1",
}
"""A worker that vanishes is noticed in seconds."""


def own_environment() -> dict[str, str]:
    """This process's environment without settings that somebody made for another service."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TD3_")} | BRISK
