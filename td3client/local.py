"""The key that a service on this machine leaves for its user, who then needs to name none.

`python -m embedded` writes it to a file whose name is the machine and the address that it listens on. It is sent to
exactly this address: another one, `localhost` too, may be somebody else's.
"""

import ipaddress
import socket
from pathlib import Path
from urllib.parse import urlsplit

from td3client.private import config_folder, read_private


def local_key_file(url: str) -> Path | None:
    """Return where the key for the service at this URL would be; None unless it is on loopback, as a number.

    Raises:
        PrivateFileError: The user has no home.
    """
    try:
        parts = urlsplit(url)
        address, port = ipaddress.ip_address(parts.hostname or ""), parts.port
    except ValueError:
        return None
    plain = parts.scheme == "http" and parts.username is None and parts.path in ("", "/")
    if not (address.is_loopback and plain and not parts.query and not parts.fragment):
        return None
    listening = f"{str(address).replace(':', '-')}_{80 if port is None else port}"  # no colons, for Windows
    return config_folder() / "local" / socket.gethostname() / listening


def local_key(url: str) -> str | None:
    """Return the key for the service at this URL, if it is one that this user runs on this machine.

    Raises:
        PrivateFileError: Its file cannot be read, or others can read it.
    """
    file = local_key_file(url)
    return None if file is None else read_private(file)
