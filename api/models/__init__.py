"""The database tables. Every resource belongs to a tenant; all kinds of runs share the columns of `Run`."""

from api.models.access import DEFAULT_TENANT, ApiKey, AuditEntry, Member, Project
from api.models.base import Base, Listed, Resource
from api.models.runs import RUN_KINDS, Checkpoint, Dataset, Evaluation, Event, Job, Label, Run, SummaryArchive
from api.models.service import DeviceUse, IdempotencyKey, OutboxMessage, Upload, Worker
from api.models.states import ENDED, HELD, DeliveryState, Priority, RunState
from api.models.webhooks import Delivery, Webhook

__all__ = [
    "DEFAULT_TENANT",
    "ENDED",
    "HELD",
    "RUN_KINDS",
    "ApiKey",
    "AuditEntry",
    "Base",
    "Checkpoint",
    "Dataset",
    "Delivery",
    "DeliveryState",
    "DeviceUse",
    "Evaluation",
    "Event",
    "IdempotencyKey",
    "Job",
    "Label",
    "Listed",
    "Member",
    "OutboxMessage",
    "Priority",
    "Project",
    "Resource",
    "Run",
    "RunState",
    "SummaryArchive",
    "Upload",
    "Webhook",
    "Worker",
]
