"""What every resource needs of HTTP: bodies, problems, pages, ranges, and what a request works with."""
