"""The values that everything else is made of: frozen, without I/O, without a clock."""
