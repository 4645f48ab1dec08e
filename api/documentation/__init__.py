"""What the service says of itself in a browser: its guide and the interactive documentation of the API."""
