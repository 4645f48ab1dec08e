"""Who works: a row for each worker, which it keeps fresh itself."""
