"""Webhooks: endpoints of clients that are told of events, after the Standard Webhooks specification."""
