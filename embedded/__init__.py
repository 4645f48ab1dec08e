"""The embedded profile: one command that runs the whole service as child processes."""
