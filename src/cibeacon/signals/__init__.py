"""From what is known of a run to the signals that it calls for. Pure, but for the one program that the user writes."""
