"""Members of projects: users with a role, given by an administrator or by the rules of an issuer."""
