"""Floor 4: one map, whatever runs it."""
