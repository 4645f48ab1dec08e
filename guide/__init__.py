"""Builds the documentation site that the API serves at `/guide`, with reference pages generated from the code."""
