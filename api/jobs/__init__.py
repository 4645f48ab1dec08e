"""Distillation jobs."""
