"""The checkout: git as a child process, a scratch repository where it ends, and the way between the two."""
