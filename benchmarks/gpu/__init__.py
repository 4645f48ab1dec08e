"""`python -m benchmarks.gpu`: all questions that a GPU has to answer, in one run of less than seven minutes."""
