"""The event log of jobs and evaluations, as pages and as a stream."""
