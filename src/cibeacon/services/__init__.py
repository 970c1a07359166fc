"""Which service a path belongs to, and how a repository says so."""
