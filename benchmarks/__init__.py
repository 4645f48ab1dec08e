"""Measurements of speed and quality against peers and baselines."""
