"""Runs llama.cpp with and without a control vector: a JSON request comes in, the logits of the last tokens go out."""

import ctypes
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import llama_cpp
import numpy as np

PACKAGE = Path(llama_cpp.__file__).parent
SOURCE = Path(sys.prefix) / "common.cpp"
"""A source file of llama.cpp, from the package that the libraries were built from."""


def loader() -> ctypes.CDLL:
    """llama.cpp's own reader of control-vector files, compiled against the libraries of the package."""
    folder = Path(tempfile.mkdtemp())
    text = SOURCE.read_text("utf-8")
    start = text.index("static common_control_vector_data common_control_vector_load_one(")
    whole = text.index("\ncommon_control_vector_data common_control_vector_load(")
    (folder / "cut.inc").write_text(text[start : text.index("\n}\n", whole) + 3])
    libraries, headers = PACKAGE / "lib", PACKAGE.parent / "include"
    command = ["g++", "-shared", "-fPIC", "-std=c++17", f"-I{headers}", f"-I{folder}"]
    command += [str(Path(__file__).parent / "loader.cpp"), str(libraries / "libggml-base.so")]
    command += [f"-Wl,-rpath,{libraries}", "-o", str(folder / "loader.so")]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(folder / "loader.so"))


def read(path: str) -> tuple[int, np.ndarray]:
    """Width and rows of a control-vector file, from block 1 on; width -1 where llama.cpp refuses it."""
    data, size = ctypes.POINTER(ctypes.c_float)(), ctypes.c_size_t()
    width = loader().load(path.encode(), ctypes.c_float(1.0), ctypes.byref(data), ctypes.byref(size))
    return width, np.ctypeslib.as_array(data, (size.value,)).copy() if size.value else np.zeros(0, np.float32)


def logits(model: llama_cpp.Llama, prompts: list[list[int]]) -> list[list[float]]:
    """Logits after the last token of every prompt."""
    found = []
    for prompt in prompts:
        model.reset()
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(model.ctx), True)
        model.eval(prompt)
        pointer = llama_cpp.llama_get_logits_ith(model.ctx, -1)
        found.append(np.ctypeslib.as_array(pointer, (model.n_vocab(),)).astype(float).tolist())
    return found


request = json.load(sys.stdin)
width, rows = read(request["vector"])
answer: dict[str, object] = {"width": width, "version": llama_cpp.__version__}
if "model" in request:
    model = llama_cpp.Llama(request["model"], n_ctx=256, n_threads=2, logits_all=False, verbose=False)
    answer["plain"] = logits(model, request["prompts"])
    layers = rows.size // width
    failed = llama_cpp.llama_set_adapter_cvec(
        model.ctx, rows.ctypes.data_as(ctypes.POINTER(ctypes.c_float)), rows.size, width, 1, layers
    )
    assert not failed
    answer["steered"] = logits(model, request["prompts"])
print(json.dumps(answer))
