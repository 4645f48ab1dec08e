"""`Idempotency-Key`: repeating a request that creates something creates nothing again, and gets the same response.

A row locks the key while the request is processed, and the response is written in the transaction that creates the
resource. A request that fails releases the key; if its process dies, the key is released after a short lease.
"""
