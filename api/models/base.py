"""What all tables share."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, Dialect, Enum, MetaData, SmallInteger, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from api import ids
from api.db import UtcDateTime
from api.models.states import DeliveryState, Priority, RunState


def _states(kind: type[StrEnum]) -> Enum:
    """The type of a column with one of the states, which the database keeps as a text."""
    return Enum(kind, native_enum=False, length=16, values_callable=lambda states: [str(s) for s in states])


class Rank(TypeDecorator[Priority]):
    """A class of runs, stored as its place among them, so that an index has the runs of the highest class first."""

    impl = SmallInteger
    cache_ok = True

    def process_bind_param(self, value: Priority | None, dialect: Dialect) -> int | None:
        """Convert to the place: 0 for the highest class."""
        return None if value is None else value.rank

    def process_result_value(self, value: int | None, dialect: Dialect) -> Priority | None:
        """Return the class of this place."""
        return None if value is None else list(Priority)[value]


class Base(DeclarativeBase):
    """Base class, which names every constraint so that migrations can refer to it on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(none_as_null=True),
        RunState: _states(RunState),
        DeliveryState: _states(DeliveryState),
        Priority: Rank(),
    }


class Listed(Base):
    """Something that lists show, newest first."""

    __abstract__ = True

    id: Mapped[str] = mapped_column(String(ids.LENGTH), primary_key=True, sort_order=-3)
    created_at: Mapped[datetime] = mapped_column(sort_order=-1)


class Resource(Listed):
    """A resource of the API: it has an id, an owner and a creation time."""

    __abstract__ = True

    tenant_id: Mapped[str] = mapped_column(String(ids.LENGTH), sort_order=-2)
