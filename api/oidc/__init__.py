"""Tokens of OpenID Connect issuers: which are trusted, their keys, and what a token proves."""
