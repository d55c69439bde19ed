"""Files for vLLM: the `SteeringVector` of vllm-lens as JSON, and a steering spec of EasySteer beside a GGUF file.

They follow the public documentation: of vllm-lens 1.2 its README and its `SteeringVector`, and of EasySteer the guides
"Steering (v2 API)" and "OpenAI-compatible server". Both number decoder blocks from 0, and add to the output of a block.
"""

import base64
import json
from pathlib import Path
from typing import Any

from steering.errors import SteeringError
from steering.interop import control_vectors
from steering.interop.baked import Baked
from steering.storage import atomic

PHASES: dict[str, dict[str, Any]] = {
    "all": {"prompt": "all", "generation": "all"},
    "response": {"prompt_positions": [-1], "generation": "all"},
}
"""EasySteer's where-clause for each choice of positions."""


def write_lens(baked: Baked, path: Path) -> tuple[str, ...]:
    """Write the JSON of one `SteeringVector` of vllm-lens; λ is its `scale`."""
    rows = baked.rows[baked.active].contiguous()
    content = {
        "activations": {
            "data": base64.b64encode(rows.numpy().tobytes()).decode("ascii"),
            "dtype": "float32",
            "original_dtype": "torch.float32",
            "shape": list(rows.shape),
        },
        "layer_indices": baked.active,
        "scale": baked.lam,
        "norm_match": False,
        "position_indices": None,
    }
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content), "utf-8")
    return (
        f"In vllm-lens: SteeringVector.model_validate_json(open({path.name!r}).read()), or over HTTP the content of the file "
        "in a list, as text, for apply_steering_vectors.",
    )


def write_easysteer(baked: Baked, path: Path) -> tuple[str, ...]:
    """Write a GGUF file for EasySteer, and beside it the spec that applies it; λ is the spec's `scale`.

    Raises:
        SteeringError: another ending than .gguf, which the spec's reader goes by.
    """
    if path.suffix != ".gguf":
        raise SteeringError(f"EasySteer reads the rows from a GGUF file: name it {path.stem}.gguf, not {path.name}.")
    spec = {
        "vectors": [
            {
                "source": path.name,
                "algorithm": "direct",
                "scale": baked.lam,
                "layers": baked.active,
                "normalize": False,
                "apply": PHASES[baked.positions],
                "name": baked.vector.concept,
            }
        ]
    }
    text = json.dumps(spec, ensure_ascii=False)
    control_vectors.write_rows(baked, baked.rows, path)
    beside = path.with_suffix(".json")
    with atomic(beside) as temporary:
        temporary.write_text(text, "utf-8")
    return (
        f"For EasySteer, {beside.name} beside it is the spec: vllm serve … --enable-steer-vector --steering-config "
        f"{beside.name}, started where {path.name} lies. It says: {text}",
    )
