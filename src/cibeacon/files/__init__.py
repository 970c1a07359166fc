"""Finds, checks and redacts the files that are sent with a job."""
