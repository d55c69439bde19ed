"""Steers with repeng: reads our file, and writes one of its own for the way back."""

import json
import sys

import repeng
import torch
from transformers import AutoModelForCausalLM

request = json.load(sys.stdin)
# An older transformers looks for this in another place of the config, and silently takes its default.
model = AutoModelForCausalLM.from_pretrained(request["model"], dtype=torch.float32, rope_theta=request["rope_theta"])
vector = repeng.ControlVector.import_gguf(request["vector"])


def logits(controlled: torch.nn.Module) -> list[list[float]]:
    with torch.inference_mode():
        return [controlled(input_ids=torch.tensor([ids])).logits[0, -1].tolist() for ids in request["prompts"]]


plain = logits(model)
control = repeng.ControlModel(model, sorted(vector.directions))
control.set_control(vector, request["strength"])
steered = logits(control)
# Their own arithmetic, and their own writer.
(request["strength"] * vector).export_gguf(request["back"])
print(
    json.dumps({"plain": plain, "steered": steered, "family": vector.model_type, "layers": sorted(vector.directions)})
)
