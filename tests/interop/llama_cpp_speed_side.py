"""Writes texts with llama.cpp, unsteered and at one strength of a control vector after the other; timed line by line.

Reads one JSON object, and then the name of an arm a line; answers each with the seconds that it took.
"""

import ctypes
import json
import sys
import time

import llama_cpp
import numpy as np

request = json.loads(sys.stdin.readline())
threads = {"n_threads": request["threads"], "n_threads_batch": request["threads"]}

defaults = llama_cpp.llama_model_default_params


def without_repacked_weights() -> llama_cpp.llama_model_params:
    """Parameters under which weights stay as they are in the file: this version's kernel for AMX ends the process."""
    parameters = defaults()
    parameters.use_extra_bufts = False
    return parameters


llama_cpp.llama_model_default_params = without_repacked_weights
llama_cpp.llama_cpp.llama_model_default_params = without_repacked_weights
model = llama_cpp.Llama(request["weights"], n_ctx=256, verbose=False, **threads)
prompt, n = request["prompt"], request["tokens"]
rows = np.array(request["rows"], np.float32)


def write() -> None:
    """Write so many of the likeliest tokens, one after the other."""
    model.reset()
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(model.ctx), True)
    model.eval(prompt)
    for _ in range(n - 1):
        pointer = llama_cpp.llama_get_logits_ith(model.ctx, -1)
        model.eval([int(np.ctypeslib.as_array(pointer, (model.n_vocab(),)).argmax())])


def sweep() -> None:
    """A text at every strength: a context has one control vector at a time."""
    for strength in request["many_strengths"]:
        added = np.ascontiguousarray(rows * strength)
        # Its file format counts from block 1 on.
        failed = llama_cpp.llama_set_adapter_cvec(
            model.ctx,
            added.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
            added.size,
            added.shape[1],
            1,
            len(added),
        )
        assert not failed
        write()
    assert not llama_cpp.llama_set_adapter_cvec(model.ctx, None, 0, rows.shape[1], 1, len(rows))


arms = {"write": write, "sweep": sweep}
for line in sys.stdin:
    started = time.perf_counter()
    arms[line.strip()]()
    print(json.dumps(time.perf_counter() - started), flush=True)
