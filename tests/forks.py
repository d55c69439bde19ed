"""Processes that are forked from one that has computed with PyTorch, so that they begin with everything imported."""

import multiprocessing
import os
import threading

import torch
from tqdm import tqdm

FORK = multiprocessing.get_context("fork")

# A forked process builds PyTorch's pool of threads again when the pool is first used, and without a lock: two threads at once
# end in "Invalid thread pool!". Used here, while there is one thread.
os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))

# The lock of progress bars is shared by forked processes: one that is killed while it holds it would leave all others waiting.
tqdm.set_lock(threading.RLock())
tqdm.monitor_interval = 0
