"""What could not leave is kept here, and leaves from here."""
