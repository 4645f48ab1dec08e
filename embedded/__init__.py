"""The embedded profile: the whole service as child processes of one command, nothing to install by hand."""
