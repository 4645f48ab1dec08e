"""Projects, each the owner of its jobs, logs, summaries and keys."""
