"""The Celery side: claim a run, bring its files, let td3core do the work, and keep what comes out."""
