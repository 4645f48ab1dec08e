"""What the service itself costs: many clients at one API, and empty jobs through claim and finish."""
