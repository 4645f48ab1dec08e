"""Logs and traces, which are linked by the id of the request that caused them."""
