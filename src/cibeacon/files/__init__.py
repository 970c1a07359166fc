"""Files that are sent with a job: found, checked, redacted."""
