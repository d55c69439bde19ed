"""Work behind the page: the one thread in which models work, and jobs that can be stopped."""
