"""Sweeps strengths and extracts a vector with repeng or steering-vectors, as their documents show; timed line by line.

Reads one JSON object, and then the name of an arm a line; answers each with the seconds that it took.
"""

import json
import sys
import time
from collections.abc import Callable

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

request = json.loads(sys.stdin.readline())
torch.set_num_threads(request["threads"])
# An older transformers looks for this in another place of the config, and silently takes its default.
model = AutoModelForCausalLM.from_pretrained(request["model"], dtype=torch.float32, rope_theta=request["rope_theta"])
# It does not know the tokenizer class of a newer one either.
tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{request['model']}/tokenizer.json", **request["special"])
ids = torch.tensor([request["prompt"]])
n = request["tokens"]
settings = {"max_new_tokens": n, "min_new_tokens": n, "do_sample": False, "pad_token_id": tokenizer.eos_token_id}


def write() -> None:
    written = model.generate(ids, attention_mask=torch.ones_like(ids), **settings)
    assert written.shape[1] == ids.shape[1] + n


def repeng() -> dict[str, Callable[[], None]]:
    from repeng import ControlModel, ControlVector, DatasetEntry

    vector = ControlVector.import_gguf(request["vector"])
    control = ControlModel(model, sorted(vector.directions))
    pairs = [DatasetEntry(positive=right, negative=left) for right, left in request["pairs"]]

    def sweep() -> None:
        for strength in request["strengths"]:
            control.set_control(vector, strength)
            write()
        control.reset()

    return {"sweep": sweep, "extract": lambda: ControlVector.train(control, tokenizer, pairs, batch_size=32)}


def steering_vectors() -> dict[str, Callable[[], None]]:
    from steering_vectors import SteeringVector, train_steering_vector

    directions = {int(layer): torch.tensor(row) for layer, row in request["directions"].items()}
    vector = SteeringVector(layer_activations=directions)

    def sweep() -> None:
        for strength in request["strengths"]:
            with vector.apply(model, multiplier=strength):
                write()

    def extract() -> None:
        train_steering_vector(
            model, tokenizer, [tuple(pair) for pair in request["pairs"]], read_token_index=-1, batch_size=32
        )

    return {"sweep": sweep, "extract": extract}


arms = {"repeng": repeng, "steering_vectors": steering_vectors}[request["library"]]()
for line in sys.stdin:
    started = time.perf_counter()
    arms[line.strip()]()
    print(json.dumps(time.perf_counter() - started), flush=True)
