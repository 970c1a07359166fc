"""The only way to the vendors over HTTP: one client with retries inside a deadline. Knows no vendor."""
