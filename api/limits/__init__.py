"""What a project may use at most, what it uses, and what is reserved for a run that is submitted."""
