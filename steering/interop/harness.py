"""The model `steering` of lm-evaluation-harness: a steered child, with that harness's own prompts, filters and scores.

The harness looks for models nowhere but in its own registry, so `run` puts this one there and then hands over; nothing else in
this package needs the harness to be installed. The harness's own class for transformers models does the tokenising, the windows
over long texts and the chat templates. Every token of prompt and answer is steered.
"""

import copy
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from lm_eval.api.registry import model_registry  # type: ignore[import-not-found]
from lm_eval.models.huggingface import HFLM  # type: ignore[import-not-found]
from lm_eval.models.utils import (  # type: ignore[import-not-found]
    handle_stop_sequences,
    normalize_gen_kwargs,
    postprocess_generated_text,
)

from steering.errors import SteeringError
from steering.evaluation import elect
from steering.models import load_model
from steering.stats import derived_seed
from steering.steer import Sampling, SteeringSettings, check_strengths, decode, plan, steer
from steering.tasks import READERS
from steering.vectors import load_vector

NAME = "steering"
"""What `--model` takes."""

_SAMPLING = {"temperature", "top_p", "top_k", "repetition_penalty"}
_UNDERSTOOD = _SAMPLING | {"until", "max_gen_toks", "do_sample"}


class SteeringLM(HFLM):  # type: ignore[misc]
    """A child model steered with one λ, or with several that answer together.

    With several λ, all of them are rows of one batch. Likelihoods are those of the average of their predicted distributions.
    Where text is generated, each λ writes one, and the first text with the answer that most of them gave is returned. A task
    with `repeats` gets the λ in turn instead, one a repeat, so that its own filters (such as `majority_vote`) do the vote.
    """

    def __init__(
        self,
        child: str,
        vector: str,
        lam: float | str | Sequence[float] = 0.2,
        scale: str = "residual",
        profile: str = "all",
        operator: str = "add",
        answer: str = "number",
        dtype: str = "auto",
        device: str | None = None,
        batch_size: int | str = 1,
        max_batch_size: int = 64,
        **settings: Any,
    ) -> None:
        """Load the child and its vector.

        Args:
            child: bundled name, Hub id, folder or .gguf file.
            vector: a vector file in the child's space.
            lam: λ; for a vote several, as "0.1/0/-0.1" or "[0.1,0,-0.1]"; the first decides ties.
            scale: see `SteeringSettings`.
            profile: see `SteeringSettings`.
            operator: see `SteeringSettings`.
            answer: how votes are read out of texts, a key of `answers.READERS`.
            dtype: see `models.load_model`.
            device: see `models.load_model`; a CUDA device that is not there becomes "auto".
            batch_size: questions at once; each is one row a λ.
            max_batch_size: see `HFLM`.
            settings: more of `HFLM`, such as max_length or truncation.

        Raises:
            SteeringError: a λ that is no number, an unknown way to read answers, or a vector of another model.
        """
        self.lambdas = read_lambdas(lam)
        if answer not in READERS:
            raise SteeringError(f"Unknown answer {answer!r}. Choose one of {', '.join(READERS)}.")
        self.answer = answer
        self.vector = load_vector(vector)
        # The harness asks for cuda:0 where the user asked for nothing.
        place = "auto" if device is None or (device.startswith("cuda") and not torch.cuda.is_available()) else device
        self.child = load_model(child, dtype=dtype, device=place)
        self.intervention = plan(self.child, self.vector, SteeringSettings(scale, profile, operator=operator))
        # The harness gives the tokenizer a padding token where it has none; the child keeps its own as it was.
        tokenizer = copy.deepcopy(self.child.tokenizer)
        super().__init__(
            self.child.model,
            backend="causal",
            tokenizer=tokenizer,
            batch_size=batch_size,
            max_batch_size=max_batch_size,
            **settings,
        )

    @property
    def tokenizer_name(self) -> str:
        """Name under which the harness caches tokenised requests."""
        return self.child.name.replace("/", "__")

    def get_model_info(self) -> dict[str, Any]:
        """What the harness writes about the model beside its results."""
        return {
            "model_num_parameters": self.child.model.num_parameters(),
            "model_dtype": self.child.precision,
            "child": self.child.name,
            "child_fingerprint": self.child.fingerprint,
            "concept": self.vector.concept,
            "lambdas": list(self.lambdas),
            "scale": self.intervention.scale,
            "operator": self.intervention.operator,
            "weights": list(self.intervention.weights),
        }

    def _model_call(self, inps: torch.Tensor, attn_mask: object = None, labels: object = None) -> torch.Tensor:
        """Logits `[batch, seq, vocabulary]`; log-probabilities of the average prediction where there are several λ."""
        del attn_mask, labels
        rows = inps.repeat_interleave(len(self.lambdas), dim=0)
        strengths = list(self.lambdas) * len(inps)
        with torch.inference_mode(), steer(self.child, self.intervention, strengths):
            logits: torch.Tensor = self.child.model(input_ids=rows, use_cache=False).logits
        if len(self.lambdas) == 1:
            return logits
        each = logits.float().log_softmax(dim=-1).reshape(len(inps), len(self.lambdas), *logits.shape[1:])
        return each.logsumexp(dim=1) - torch.tensor(float(len(self.lambdas))).log()

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Continue every request's context up to one of its stop strings."""
        del disable_tqdm
        written: list[str] = [""] * len(requests)
        # The harness repeats a request by putting the same object into the list again.
        copies: dict[int, list[int]] = defaultdict(list)
        for place, request in enumerate(requests):
            copies[id(request)].append(place)
        groups: dict[tuple[str, int], list[list[int]]] = defaultdict(list)
        for places in copies.values():
            groups[repr(requests[places[0]].args[1]), len(places)].append(places)
        for (_, repeats), members in groups.items():
            settings = requests[members[0][0]].args[1]
            members.sort(key=lambda places: len(requests[places[0]].args[0]))
            size = self.batch_size if isinstance(self.batch_size, int) else 1
            for start in range(0, len(members), size):
                batch = members[start : start + size]
                contexts = [requests[places[0]].args[0] for places in batch]
                for places, texts in zip(batch, self._texts(contexts, settings, repeats), strict=True):
                    chosen = [self._vote(texts)] if repeats == 1 else texts
                    for place, text in zip(places, chosen, strict=True):
                        written[place] = text
                        self.cache_hook.add_partial("generate_until", requests[place].args, text)
        return written

    def _texts(self, contexts: Sequence[str], settings: dict[str, Any], repeats: int) -> list[list[str]]:
        """Texts for every context: one a λ, or one a repeat with the λ in turn."""
        chosen = normalize_gen_kwargs(settings, self.max_gen_toks)
        if strange := sorted(set(chosen) - _UNDERSTOOD):
            raise SteeringError(
                f"The generation settings {', '.join(strange)} are not known here. Remove them from the task."
            )
        sampled = bool(chosen["do_sample"])
        sampling = {name: chosen[name] for name in _SAMPLING & set(chosen)}
        sampling["temperature"] = float(chosen.get("temperature", 0.0)) if sampled else 0.0
        limit = int(chosen["max_gen_toks"])
        room = self.max_length - limit
        if room < 1:
            raise SteeringError(
                f"{limit} new tokens do not fit into the {self.max_length} that {self.child.name} reads."
            )
        stops = [stop for stop in handle_stop_sequences(chosen["until"], eos=None) if stop]
        ids = [self.tok_encode(context, left_truncate_len=room) for context in contexts]
        lambdas = list(self.lambdas)
        rounds = 1 if repeats == 1 else -(-repeats // len(lambdas))
        texts: list[list[str]] = [[] for _ in contexts]
        for number in range(rounds if sampled else 1):
            seeds = [derived_seed(number, "question", context) for context in contexts]
            fresh = self._write(ids, lambdas, Sampling(max_new_tokens=limit, **sampling), seeds, stops)
            for place, row in enumerate(fresh):
                texts[place] += row
        # Without sampling a second round would write the same once more.
        return [(row * rounds)[:repeats] if repeats > 1 else row for row in texts]

    def _write(
        self,
        ids: Sequence[list[int]],
        lambdas: list[float],
        sampling: Sampling,
        seeds: Sequence[int],
        stops: list[str],
    ) -> list[list[str]]:
        """Decode every context at every λ as one batch, until each row has ended or reached a stop string.

        Every context has a seed, which its λ share.
        """
        prompts = [prompt for prompt in ids for _ in lambdas]
        own = [seed for seed in seeds for _ in lambdas]

        def complete(_row: int, tokens: Sequence[int]) -> bool:
            text = self.tok_decode(list(tokens))
            return any(stop in text for stop in stops)

        *_, last = decode(self.child, prompts, self.intervention, lambdas * len(ids), sampling, own, complete=complete)
        texts = [self.tok_decode(list(tokens)) for tokens in last.tokens]
        whole = [postprocess_generated_text(text, stops, self.think_end_token) for text in texts]
        return [whole[start : start + len(lambdas)] for start in range(0, len(whole), len(lambdas))]

    def _vote(self, texts: Sequence[str]) -> str:
        """The first text with the answer that most give; of a tie, that of the λ nearest to the one given first."""
        answers = [READERS[self.answer](text, ()) for text in texts]
        winner, _, _ = elect(self.answer, dict(zip(self.lambdas, answers, strict=True)), near=self.lambdas[0])
        return texts[answers.index(winner)]


def read_lambdas(lam: float | str | Sequence[float]) -> tuple[float, ...]:
    """One λ or several: a number, a list, or text such as "0.1/0/-0.1".

    Raises:
        SteeringError: not numbers, none, or one of them twice.
    """
    parts = lam.split("/") if isinstance(lam, str) else [lam] if isinstance(lam, int | float) else list(lam)
    try:
        numbers = check_strengths(parts)
    except SteeringError as error:
        raise SteeringError(f"lam cannot be read: {error} Give a number, or several as 0.1/0/-0.1.") from error
    if len(set(numbers)) < len(numbers):
        raise SteeringError(f"lam is {str(lam)[:60]}; give every λ once, as 0.1/0/-0.1.")
    return numbers


def run(arguments: Sequence[str]) -> None:
    """Hand over to the harness's command line, with the model `steering` in its registry."""
    from lm_eval.__main__ import cli_evaluate  # type: ignore[import-not-found]

    if NAME not in model_registry:
        model_registry.register(NAME, target=SteeringLM)
    before = sys.argv
    sys.argv = ["lm-eval", *arguments]
    try:
        cli_evaluate()
    finally:
        sys.argv = before
