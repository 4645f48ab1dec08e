"""`python -m api.keys`: create and revoke API keys where the service runs, above all the first one."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api.access.scopes import ROLES, Scope
from api.db import Database
from api.errors import ServiceError, SettingsError
from api.keys import secret, service
from api.models import DEFAULT_TENANT
from api.projects import service as projects
from api.settings import load_settings


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. It prints the text of a new key, and nothing else, to standard output."""
    chosen = _parser().parse_args(arguments)
    try:
        chosen.run(chosen)
    except (SettingsError, ServiceError) as error:
        sys.exit(f"error: {error}")
    except SQLAlchemyError as error:
        sys.exit(f"error: the database is unavailable, or `python -m api.migrate` has to be run: {error}")


@contextmanager
def _transaction() -> Iterator[Session]:
    settings = load_settings()
    settings.open_folders()
    database = Database(settings.database_url)
    try:
        with database.transaction() as session:
            yield session
    finally:
        database.close()


def _create(chosen: argparse.Namespace) -> None:
    with _transaction() as session:
        made = service.create(
            session,
            tenant_id=projects.get(session, chosen.project).id,
            name=chosen.name,
            scopes=chosen.scope or ROLES[chosen.role],
            lifetime=timedelta(days=chosen.days),
        )
    sys.stderr.write(f"{made.row.id}, valid until {made.row.expires_at:%Y-%m-%d}. It is not shown again:\n")
    sys.stdout.write(f"{made.secret}\n")


def _make(_chosen: argparse.Namespace) -> None:
    text = secret.new_secret()
    sys.stderr.write(f"TD3_FIRST_ADMIN_SHA256={secret.digest(text)}\n")
    sys.stdout.write(f"{text}\n")


def _local(_chosen: argparse.Namespace) -> None:
    with _transaction() as session:
        made = service.renew_local(session)
    sys.stdout.write(f"{made.secret}\n")


def _revoke(chosen: argparse.Namespace) -> None:
    with _transaction() as session:
        service.revoke(session, chosen.key_id, tenant_id=projects.get(session, chosen.project).id)


def _days(text: str) -> float:
    days = float(text)
    if not 0 < days <= service.LONGEST.days:
        raise argparse.ArgumentTypeError(f"{text}: expected more than 0 and at most {service.LONGEST.days}")
    return days


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m api.keys",
        description=__doc__,
        epilog="`python -m api.keys COMMAND --help` lists the options of a command.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="create a key and print it", description="Create a key.")
    create.set_defaults(run=_create)
    create.add_argument("--name", required=True, help="what the key is for, or whose it is")
    scopes = create.add_mutually_exclusive_group(required=True)
    scopes.add_argument("--role", choices=ROLES, help="scopes by the name of a role")
    scopes.add_argument(
        "--scope", choices=[str(scope) for scope in Scope], action="append", help="may be repeated"
    )
    create.add_argument(
        "--days",
        type=_days,
        default=service.LIFETIME.days,
        help="days for which it is valid (default: %(default)s)",
    )
    make = commands.add_parser(
        "make",
        help="make a key for TD3_FIRST_ADMIN_SHA256",
        description="Print a key, and to standard error the setting with which the API takes it for that of a platform "
        "administrator. Nothing is stored.",
    )
    make.set_defaults(run=_make)
    local = commands.add_parser(
        "local",
        help="make the key of the embedded service anew and print it",
        description="Make the key anew that `python -m embedded` gives its user; the former one ends at once.",
    )
    local.set_defaults(run=_local)
    revoke = commands.add_parser("revoke", help="revoke a key", description="Revoke a key at once.")
    revoke.set_defaults(run=_revoke)
    revoke.add_argument("key_id", metavar="KEY_ID", help="id of the key (key_...)")
    for command in (create, revoke):
        command.add_argument(
            "--project", default=DEFAULT_TENANT, help="id of its project (default: %(default)s)"
        )
    return parser


if __name__ == "__main__":
    main()
