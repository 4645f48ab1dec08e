"""Log lines and traces, joined by the request that caused them."""
