"""Prometheus metrics: each process counts what it does itself, and the API tells what the database knows."""
