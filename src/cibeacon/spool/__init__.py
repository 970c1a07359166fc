"""The spool: signals that wait to be sent, in files and in object stores."""
