"""Workers: each has a database row, which it updates with its heartbeat."""
