"""The Celery side: claims runs, fetches their files, executes them with td3core and stores the results."""
