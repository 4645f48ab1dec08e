"""Who asks, and what they may do: scopes, roles and principals."""
