"""Floor 3: the executors of others, each as those who run a job's chunks."""
