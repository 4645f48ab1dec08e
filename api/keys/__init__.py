"""API keys: made, shown once, checked, rotated and revoked."""
