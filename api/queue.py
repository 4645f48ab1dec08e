"""The Celery application, which only transports messages; the database decides what they mean."""

from celery import Celery

from api.settings import Queue

QUEUE: Queue = "cpu"


def make_celery(broker_url: str, queue: Queue = QUEUE) -> Celery:
    """Create the application that API, worker and keeper share; `queue` is the default queue."""
    celery = Celery("td3", broker=broker_url, set_as_current=False)
    celery.conf.update(
        accept_content=["json"],
        task_serializer="json",
        # The database recovers runs: messages are acknowledged when received, and results are not stored.
        task_acks_late=False,
        task_ignore_result=True,
        result_backend=None,
        task_default_queue=queue,
        # A message that a busy worker prefetches would not reach an idle one.
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        # A child is unusable after a CUDA assert, and memory leaks: each run gets a new one.
        worker_concurrency=1,
        worker_max_tasks_per_child=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        # Whoever reaches the broker could end the worker, or have it tell its environment.
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=3,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_connect_timeout": 3,
            "socket_timeout": 10,
            "socket_keepalive": True,
        },
        # One retry replaces a dead pooled connection; after that, the keeper sends.
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.2},
        timezone="UTC",
    )
    return celery
