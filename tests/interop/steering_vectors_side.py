"""Steers with the steering-vectors library: takes our file by the line we print, and writes one by the line we print."""

import json
import sys

import safetensors.torch
import torch
from steering_vectors import SteeringVector
from transformers import AutoModelForCausalLM

request = json.load(sys.stdin)
# An older transformers looks for this in another place of the config, and silently takes its default.
model = AutoModelForCausalLM.from_pretrained(request["model"], dtype=torch.float32, rope_theta=request["rope_theta"])
# The lines that our messages tell the user to write are run here as they stand.
vector = eval(request["read"].replace("PATH", repr(request["vector"])))
assert isinstance(vector, SteeringVector)


def logits() -> list[list[float]]:
    with torch.inference_mode():
        return [model(input_ids=torch.tensor([ids])).logits[0, -1].tolist() for ids in request["prompts"]]


plain = logits()
with vector.apply(model, multiplier=request["strength"]):
    steered = logits()
eval(request["write"].replace("PATH", repr(request["back"])), {"safetensors": safetensors, "vector": vector})
print(json.dumps({"plain": plain, "steered": steered, "layers": sorted(vector.layer_activations)}))
