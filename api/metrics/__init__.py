"""Prometheus metrics: of each process itself, and from the API also of the database."""
