"""The worker thread in which models compute, and jobs that can be stopped."""
