"""Floor 5: one map, whatever runs it."""
