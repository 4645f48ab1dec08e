"""Network namespaces joined by a bridge: machines that can be cut off, on one."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

IP = shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin")


class Network:
    """A bridge at `host`, which is this machine's own address on it, and a namespace for each machine."""

    def __init__(self, name: str, subnet: str) -> None:
        self._name, self._subnet = name, subnet
        self._machines: list[str] = []
        self.host = f"{subnet}.1"
        _ip("link", "add", name, "type", "bridge")
        _ip("address", "add", f"{self.host}/24", "dev", name)
        _ip("link", "set", name, "up")

    def add(self, machine: str) -> Sequence[str]:
        """Make a machine; return what runs a command on it."""
        self._machines.append(machine)
        space, cable, plug = self._space(machine), self._cable(machine), "eth0"
        _ip("netns", "add", space)
        _ip("link", "add", cable, "type", "veth", "peer", "name", plug, "netns", space)
        _ip("link", "set", cable, "master", self._name, "up")
        _ip("-n", space, "address", "add", f"{self._subnet}.{len(self._machines) + 1}/24", "dev", plug)
        _ip("-n", space, "link", "set", plug, "up")
        assert IP is not None
        return (IP, "netns", "exec", space)

    def cut(self, machine: str) -> None:
        """Pull the cable: what is sent gets lost, in both directions, and nobody is told."""
        _ip("link", "set", self._cable(machine), "nomaster")

    def join(self, machine: str) -> None:
        """Put the cable back."""
        _ip("link", "set", self._cable(machine), "master", self._name)

    def remove(self) -> None:
        """Leave nothing behind; a cable goes with its namespace."""
        for machine in self._machines:
            _ip("link", "delete", self._cable(machine))
            _ip("netns", "delete", self._space(machine))
        _ip("link", "delete", self._name)

    def _space(self, machine: str) -> str:
        return f"{self._name}-{machine}"

    def _cable(self, machine: str) -> str:
        return f"{self._name}.{self._machines.index(machine)}"


@contextmanager
def running_network() -> Iterator[Network]:
    """A network of its own; skips the test where none can be made."""
    if os.geteuid() != 0:
        pytest.skip("only root can make network namespaces")
    if IP is None:
        pytest.skip("network namespaces are made by `ip`, which is not installed: apt-get install iproute2")
    number = os.getpid()
    try:
        network = Network(f"td3n{number}", f"10.213.{number % 256}")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"a bridge cannot be made here: {error.stderr}")
    try:
        yield network
    finally:
        network.remove()


def _ip(*arguments: str) -> None:
    subprocess.run([IP or "ip", *arguments], check=True, capture_output=True, text=True)
