"""Floor 6: one map, whatever runs it."""
