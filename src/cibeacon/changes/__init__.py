"""Which two commits to compare, what differs between them, and which merged pull requests a push holds."""
