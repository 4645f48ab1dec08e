"""Runs: everything that a worker can claim and execute, with one protocol for all kinds.

The database is the only source of truth, and messages only wake workers up: a run is claimed by one conditional update,
each later write is conditional on the attempt number, and a lease that is not renewed in time ends the claim.
"""
