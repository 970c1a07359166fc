"""Files that go along with a job: found, looked at, cleaned of secrets."""
