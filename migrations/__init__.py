"""Alembic migrations, a package so that they are found wherever the service is started."""
