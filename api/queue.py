"""The Celery application: how messages travel. What they mean is decided by the database."""

from celery import Celery

from api.settings import Queue

QUEUE: Queue = "cpu"


def make_celery(broker_url: str, queue: Queue = QUEUE) -> Celery:
    """Build the application that API, worker and keeper share; what is sent without another word goes to `queue`."""
    celery = Celery("td3", broker=broker_url, set_as_current=False)
    celery.conf.update(
        accept_content=["json"],
        task_serializer="json",
        # The database recovers runs: a message is acknowledged as soon as it is taken, no result is kept.
        task_acks_late=False,
        task_ignore_result=True,
        result_backend=None,
        task_default_queue=queue,
        # A message held by a busy worker would be kept from an idle one.
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        # A child that met a CUDA assert is poisoned, and memory leaks: each run gets a fresh one.
        worker_concurrency=1,
        worker_max_tasks_per_child=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=3,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_connect_timeout": 3,
            "socket_timeout": 10,
            "socket_keepalive": True,
        },
        # One retry finds a fresh connection where the pooled one was dead; beyond that the keeper sends.
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.2},
        timezone="UTC",
    )
    return celery
