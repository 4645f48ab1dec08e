"""Checking tokens: JSON Web Tokens (RFC 7519) that a trusted issuer has signed for this service.

What a token says of itself chooses nothing but the key: the issuer is one of those that are configured, the algorithm
one of those that it may use, and a key verifies by the algorithm that it was made for.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt

from api.access.users import User
from api.errors import InvalidTokenError
from api.oidc.issuers import MOST_SUBJECT, Issuer, Proof
from api.oidc.keys import IssuerKeys, Waits

MOST_BYTES = 16 << 10
MOST_NAME = 200
TYPES = ("jwt", "at+jwt", "application/at+jwt")
"""Of tokens that grant access. Those for other ends, such as logging out, have types of their own."""
NAMES = ("name", "preferred_username", "email")

REASONS: Mapping[type[Exception], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "it is meant for another service (aud)",
    jwt.InvalidSignatureError: "its signature is wrong",
}


class Tokens:
    """The tokens of all issuers that are trusted."""

    def __init__(self, issuers: tuple[Issuer, ...], waits: Waits, *, skew: float) -> None:
        self._issuers = {issuer.issuer: (issuer, IssuerKeys(issuer, waits)) for issuer in issuers}
        self._skew = skew

    async def check(self, text: str) -> Proof:
        """Return what the token proves.

        Raises:
            InvalidTokenError: It is not valid.
            IssuerUnavailableError: Its key is not known, and the issuer could not be asked.
        """
        if len(text) > MOST_BYTES:
            raise InvalidTokenError(f"The token has more than {MOST_BYTES} characters.")
        try:
            unproved = jwt.decode_complete(text, options={"verify_signature": False})
        except (jwt.PyJWTError, OverflowError) as error:
            raise _invalid(error) from None
        header, claimed = unproved["header"], unproved["payload"].get("iss")
        if not isinstance(claimed, str) or claimed not in self._issuers:
            raise InvalidTokenError("The token is of an issuer that is not trusted here (iss).")
        issuer, keys = self._issuers[claimed]
        if header.get("alg") not in issuer.algorithms:
            raise InvalidTokenError("The token is signed by an algorithm that is not allowed (alg).")
        if str(header.get("typ", TYPES[0])).lower() not in TYPES:
            raise InvalidTokenError("The token is not one that grants access (typ).")
        if not isinstance(header.get("kid"), str):
            raise InvalidTokenError("The token does not say by which key it is signed (kid).")
        key = await keys.find(header["kid"], header["alg"])
        try:
            claims = jwt.decode(
                text,
                key,
                algorithms=[header["alg"]],
                audience=issuer.audience,
                issuer=issuer.issuer,
                leeway=self._skew,
                options={"require": ["exp", "iat", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
            )
            expires_at = datetime.fromtimestamp(int(claims["exp"]), UTC)
        except (jwt.PyJWTError, OverflowError, ValueError, OSError) as error:
            raise _invalid(error) from None
        return Proof(_user(issuer, claims), tuple(issuer.grants(claims)), expires_at)


def _user(issuer: Issuer, claims: Mapping[str, Any]) -> User:
    subject = claims["sub"]
    if not 0 < len(subject) <= MOST_SUBJECT or not subject.isprintable():
        raise InvalidTokenError("The token has no usable subject (sub).")
    names = (claims.get(name) for name in NAMES)
    name = next((name for name in names if isinstance(name, str) and name.isprintable() and name), None)
    return User(issuer.issuer, subject, None if name is None else name[:MOST_NAME])


def _invalid(error: Exception) -> InvalidTokenError:
    """What is wrong with the token, without anything that it holds."""
    if isinstance(error, jwt.MissingRequiredClaimError):
        return InvalidTokenError(f"The token is not valid: it has no claim {error.claim}.")
    reason = REASONS.get(type(error), "it is no signed JWT, or a claim of it has another form")
    return InvalidTokenError(f"The token is not valid: {reason}.")
