"""The text of an API key: `td3_`, 30 random characters, and a checksum of six.

The prefix lets scanners find keys in code and logs. The checksum tells a mistyped or made-up key without a query of the
database; it is no secret. Only the SHA-256 is stored: 178 random bits need no slow hash.
"""

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "td3_"
RANDOM_LENGTH = 30
CHECKSUM_LENGTH = 6
SHOWN = 4
"""Number of characters at the end that lists show."""

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}")


def new_secret() -> str:
    """Return a new key."""
    return _with_checksum(PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(RANDOM_LENGTH)))


def is_well_formed(text: str) -> bool:
    """Whether the text may be a key: it has the form of one, and the right checksum."""
    return bool(_FORM.fullmatch(text)) and _with_checksum(text[:-CHECKSUM_LENGTH]) == text


def digest(secret: str) -> str:
    """Return what is stored of a key, its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _with_checksum(text: str) -> str:
    """Append the CRC-32 of the text in base 62."""
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return text + digits
