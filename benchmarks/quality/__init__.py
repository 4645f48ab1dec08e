"""`python -m benchmarks.quality LOG ...`: what summaries of real logs are worth.

Each log is distilled and its summary evaluated, by itself or side by side with others; one table is over all of them.
"""
