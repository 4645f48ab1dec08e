"""Whether the service is alive, and whether what it stands on can be reached."""
