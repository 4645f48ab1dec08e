"""What developers run on this repository; no package imports it."""
