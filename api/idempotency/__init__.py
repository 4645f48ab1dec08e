"""`Idempotency-Key`: a creating request that is sent again creates nothing again, and gets the answer it got.

The key is held by a row while the request is served, and the answer is written in the transaction that creates. A
request that fails gives the key up; one whose process dies holds it for as long as a lease.
"""
