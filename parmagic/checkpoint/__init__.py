"""Floor 5: how the items and the function of a job are known again, and where it is kept."""
