"""The protocol of everything a worker can claim, the same for jobs and evaluations.

The database owns the truth and messages only wake workers up: a run is claimed by one conditional update,
each of its later writes is conditional on the attempt number, and a lease that is not renewed in time ends
the claim.
"""
