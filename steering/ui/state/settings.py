"""The settings of the sidebar as one record, and the keys that tell when a result is out of date."""

import math
from dataclasses import dataclass
from typing import Any

from steering.concepts import Concept
from steering.errors import SteeringError
from steering.steer import Profile, Sampling, SteeringSettings
from steering.transfer import LAYER_MAPS, named_pair
from steering.ui import text
from steering.ui.state import profiles

PARENT, CHILD, CONCEPT = "gemma-3-270m", "smollm2-135m-instruct", "sentiment"
"""Initial models and concept."""

LAMBDAS = tuple(round(step / 10, 1) for step in range(-6, 7))
"""Strengths of the default grid, on the residual scale."""

FILE_PREFIX = "file: "
"""Prefix of the names of concepts whose vector was read from a file."""

FIELDS = (
    "parent", "child", "concept", "method", "layers", "width", "scale", "profile", "positions", "operator",
    "max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "seed", "chat", "system", "second", "second_lam",
)  # fmt: skip
"""Names of the sidebar's fields, in the order of the arguments of `Settings.read`; the last two stand on the Steer tab."""

EARLIER = {"operator": "add", "system": "", "second": "", "second_lam": 0}
"""Values of the fields that earlier versions did not have: what they did."""


@dataclass(frozen=True)
class Settings:
    """The settings of the sidebar.

    Attributes:
        parent: model that the direction is extracted from.
        child: model that is steered.
        concept: name of the concept.
        method: one of `METHODS`.
        layers: a key of `LAYER_MAPS`, or one pair of layers such as "12-to-14".
        width: a key of `WIDTH_MAPS`.
        scale: a key of `SCALES`: what λ = 1 means.
        profile: a key of `PROFILES`, or one weight per layer; `profiles` describes its field.
        positions: which tokens are steered.
        operator: one of `OPERATORS`: what is done with the vector.
        sampling: how tokens are chosen.
        chat: whether the child's chat template is used.
        system: the system prompt; "" for none.
        second: name of a concept that is added to the texts of the Steer tab, see `second_of`; "" for none.
        second_lam: its strength.
    """

    parent: str
    child: str
    concept: str
    method: str
    layers: str
    width: str
    scale: str
    profile: Profile
    positions: str
    sampling: Sampling
    chat: bool
    operator: str = "add"
    system: str = ""
    second: str = ""
    second_lam: float = 0.0

    @staticmethod
    def read(*fields: Any) -> "Settings":
        """Read the values of the sidebar's fields.

        Args:
            fields: ten menus, then most new tokens, temperature, top-p, top-k, repetition penalty, seed, whether the
                chat template is used, the system prompt, and the second concept with its λ.

        Raises:
            SteeringError: a field is empty or cannot be read, or a number is out of its range.
        """
        parent, child, concept, method, layers, width, scale, profile, positions, operator, *numbers = fields[:-4]
        chat, system, second, second_lam = fields[-4:]
        for role, name in (("parent", parent), ("child", child)):
            if not str(name or "").strip():
                raise SteeringError(text.NO_MODEL.format(role=role))
        if layers not in LAYER_MAPS and named_pair(str(layers)) is None:
            raise SteeringError(text.UNKNOWN_LAYER_MAP.format(layers=layers))
        labels = (text.MAX_NEW_TOKENS, text.TEMPERATURE, text.TOP_P, text.TOP_K, text.REPETITION_PENALTY, text.SEED)
        max_new_tokens, temperature, top_p, top_k, penalty, seed = (
            required_number(label, value) for label, value in zip(labels, numbers, strict=True)
        )
        sampling = Sampling(
            max_new_tokens=int(max_new_tokens),
            temperature=temperature,
            top_p=top_p,
            top_k=int(top_k),
            repetition_penalty=penalty,
            seed=int(seed),
        )
        return Settings(
            str(parent).strip(),
            str(child).strip(),
            str(concept),
            method,
            layers,
            width,
            scale,
            profiles.read(str(profile)),
            positions,
            sampling,
            bool(chat),
            operator,
            str(system or "").strip(),
            str(second or "").strip(),
            required_number(text.SECOND_LAM, second_lam),
        )

    @property
    def steering(self) -> SteeringSettings:
        """How the vector is added."""
        return SteeringSettings(self.scale, self.profile, self.positions, self.operator)

    def vector_key(self, concept: Concept) -> tuple[object, ...]:
        """Everything that the transferred vector depends on.

        If the vector was read from a file, the digest of the concept covers the vector too. So each session steers with the
        vector that it read, even if the file has been replaced since.
        """
        key = (self.parent, self.child, self.method, self.layers, self.width, concept.digest)
        return (*key, self.concept) if self.concept.startswith(FILE_PREFIX) else key

    def grid_key(self, concept: Concept, prompt: str) -> tuple[object, ...]:
        """Everything that texts of one concept depend on."""
        return (*self.vector_key(concept), self.steering, self.sampling, self.chat, self.system, prompt)

    def plot_key(self, concept: Concept, metric: str) -> tuple[object, ...]:
        """Everything that the comparison of layers depends on."""
        return (self.parent, self.child, concept.digest, metric)


DEFAULT = Settings(PARENT, CHILD, CONCEPT, "pca", "relative", "ridge", "residual", "all", "all", Sampling(), True)
"""The initial settings of the sidebar."""


def required_number(label: str, value: Any) -> float:
    """The value of a number field.

    Args:
        label: of the field, for the message.
        value: from the page; None if the field is empty.

    Raises:
        SteeringError: it is empty, or not a finite number.
    """
    if value is None or value == "":
        raise SteeringError(text.NEEDS_NUMBER.format(label=label))
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise SteeringError(text.NO_NUMBER.format(label=label, value=str(value)[:40]))
    return float(value)
