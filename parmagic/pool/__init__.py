"""Floor 2: our processes, seen from the kernel."""
