"""Evaluations of a job's summary."""
