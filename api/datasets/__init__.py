"""Interaction logs. For now they come with a job; a resource of their own will build on this."""
