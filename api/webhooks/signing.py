"""Secrets and signatures of webhooks, as the Standard Webhooks specification wants them.

See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
KEY_BYTES = 32
SHORTEST, LONGEST = 24, 64  # bytes of a key, as the specification allows


def new_secret() -> str:
    """Return a random secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The key in a secret.

    Raises:
        ValueError: It is not a secret of this form.
    """
    expected = f"expected {PREFIX} and {SHORTEST} to {LONGEST} bytes in base64"
    if not secret.startswith(PREFIX):
        raise ValueError(expected)
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(expected) from None
    if not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(expected)
    return key


def headers(message_id: str, body: str, *, timestamp: int, signed_with: Sequence[str]) -> dict[str, str]:
    """The headers that identify and sign a message.

    Args:
        message_id: The same for all tries.
        body: What is sent.
        timestamp: When it is sent, in seconds since 1970.
        signed_with: Secrets; a receiver that knows one of them can verify the message.
    """
    content = f"{message_id}.{timestamp}.{body}".encode()
    signatures = (
        base64.b64encode(hmac.digest(key_of(secret), content, hashlib.sha256)).decode()
        for secret in signed_with
    )
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
