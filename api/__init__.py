"""The service: HTTP, tables, storage and queue. Importing it never loads torch."""
