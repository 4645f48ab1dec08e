"""Users, whom an issuer of tokens knows: people, and programs such as the jobs of a CI system."""

import hashlib
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class User:
    """Somebody in whose name a token was issued."""

    issuer: str
    subject: str
    """By which the issuer tells its users apart; it stays when a name changes."""
    name: str | None
    """For people to read; None if the token has none."""

    @property
    def id(self) -> str:
        """Id of the user, the same in every process without being stored anywhere."""
        return user_id(self.issuer, self.subject)

    def told(self) -> dict[str, str | None]:
        """What entries of the audit log keep, because names change."""
        return {"id": self.id, **asdict(self)}


def user_id(issuer: str, subject: str) -> str:
    """The id of this user of this issuer. Neither contains a line break."""
    return "user_" + hashlib.sha256(f"{issuer}\n{subject}".encode()).hexdigest()[:32]
