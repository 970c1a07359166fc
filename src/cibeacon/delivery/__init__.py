"""What carries signals to the vendors, and what became of each."""
