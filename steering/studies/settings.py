"""A study as it is written down: what is varied, what stays the same, and what is measured in every combination.

A file is YAML. An axis holds several values, and every combination of those that a measure uses is a cell; everything else has
one value. What is not written has the default.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from steering.errors import SteeringError, check_whole
from steering.measure import check_budget
from steering.stats import check_seed
from steering.steer import OPERATORS, POSITIONS, PROFILES, SCALES, check_strengths
from steering.storage import atomic
from steering.tasks import DESIGNS, SHOTS
from steering.transfer import CANONICAL, LAYER_MAPS, SEVERAL, WIDTH_MAPS, named_pair
from steering.vectors import METHODS

FROM_TASK = "from-task"
"""A concept that is made from the training part of a cell's task; `from-task:NAME` of another one."""

ONE_LAYER = "one-layer"
"""Among layer profiles: the one layer that does best on the validation part."""

_MAKING = ("seed", "design", "shots")

_CARRIED = ("parents", "child", "concept", "task", "method", "layers", "width", *_MAKING, "anchors")

USES: Mapping[str, tuple[str, ...]] = {
    "arms": (*_CARRIED, "operator", "scale", "profile", "positions", "limit", "max_new_tokens"),
    "compatibility": (*_CARRIED, "operator", "scale", "profile", "positions", "limit", "max_new_tokens"),
    "gain": ("parents", "child", "task", "method", "seed", "design", "shots", "limit"),
    "grid": (
        *(*_CARRIED, "operator", "scale", "profile", "budget", "positions", "limit"),
        *("lambdas", "max_new_tokens", "controls"),
    ),
    "effect": ("parents", "child", "concept", "method", "layers", "width", *_MAKING, "anchors", "budget"),
    "profile": ("parents", "child", "concept", "method", "layers", "width", *_MAKING, "anchors", "scale", "budget"),
    "similarity": ("parents", "child", "concept", *_MAKING, "metric"),
}
"""What every measure depends on; a key of `measures.MEASURES`. Axes that it does not use make no cells of it."""

Parents = tuple[str, ...]
"""One parent, or several whose carried vectors are joined."""


@dataclass(frozen=True)
class StudySettings:
    """A study.

    Attributes:
        name: what it is called.
        about: the question that it answers, in a sentence.
        measures: keys of `USES`.
        parents: models that vectors are made in; several in one entry are joined in the child.
        children: models that are steered.
        tasks: names or files for `tasks.load_task`.
        concepts: bundled names, files, `from-task` (the cell's own task), or `from-task:NAME` (another task).
        methods: direction methods.
        layers: layer maps, or single pairs such as "12-to-14".
        widths: width maps.
        profiles: layer profiles, or `one-layer`.
        operators: what is done with the direction.
        scales: what λ means.
        budgets: KL budgets in nats; None where λ is given or chosen.
        seeds: of everything that is drawn.
        lambdas: the grid of the measure "grid"; None takes the scale's.
        positions: steered positions.
        design: how pairs are made from a task.
        shots: solved questions in the design "shots".
        anchors: a name or file for `transfer.align`; None takes what fits the task.
        metric: of the measure "similarity".
        limit: at most so many questions are reported.
        max_new_tokens: most tokens of a written answer.
        controls: whether the measure "grid" runs its controls.
        variants: changes to the study, each with cells of its own; none for the study as it is.
        expect: sizes of models and tasks that are not on this machine yet, for the plan.

    Raises:
        SteeringError: a value that cannot be used.
    """

    name: str
    about: str = ""
    measures: tuple[str, ...] = ("arms",)
    parents: tuple[Parents, ...] = ()
    children: tuple[str, ...] = ()
    tasks: tuple[str | None, ...] = (None,)
    concepts: tuple[str, ...] = (FROM_TASK,)
    methods: tuple[str, ...] = ("mean",)
    layers: tuple[str, ...] = (SEVERAL,)
    widths: tuple[str, ...] = (CANONICAL,)
    profiles: tuple[str, ...] = (ONE_LAYER,)
    operators: tuple[str, ...] = ("add",)
    scales: tuple[str, ...] = ("residual",)
    budgets: tuple[float | None, ...] = (None,)
    seeds: tuple[int, ...] = (0,)
    lambdas: tuple[float, ...] | None = None
    positions: str = "response"
    design: str = "shots"
    shots: int = SHOTS
    anchors: str | None = None
    metric: str = "scores"
    limit: int | None = None
    max_new_tokens: int | None = None
    controls: bool = True
    variants: tuple[Mapping[str, Any], ...] = ()
    expect: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.variants:
            list(self.alone)  # Each is checked; what they have in common need not be whole.
            return
        for axis, values in self.axes.items():
            if not values:
                raise SteeringError(f"The study {self.name!r} names no {axis}. Give at least one: {axis}=…")
            if len(set(map(repr, values))) != len(values):
                raise SteeringError(f"The study {self.name!r} names one of its {axis} twice. Leave it out.")
        known: dict[str, Sequence[str]] = {
            "measures": tuple(USES),
            "methods": METHODS,
            "widths": tuple(WIDTH_MAPS),
            "profiles": (ONE_LAYER, *PROFILES),
            "operators": OPERATORS,
            "scales": SCALES,
        }
        for axis, choices in known.items():
            for value in self.axes[axis]:
                _among(axis, value, choices)
        for value in self.layers:
            if not named_pair(value):
                _among("layers", value, tuple(LAYER_MAPS))
        _among("design", self.design, tuple(DESIGNS))
        _among("positions", self.positions, POSITIONS)
        for seed in self.seeds:
            check_seed(seed)
        for budget in self.budgets:
            if budget is not None:
                check_budget(budget)
        if self.lambdas is not None:
            check_strengths(self.lambdas)
        check_whole("The number of shots", self.shots, 1)
        for name in ("limit", "max_new_tokens"):
            if getattr(self, name) is not None:
                check_whole(f"The study's {name}", getattr(self, name), 1)
        asks = [measure for measure in self.measures if "task" in USES[measure]]
        if asks and None in self.tasks:
            raise SteeringError(f"The measure {asks[0]!r} needs a task. Give at least one: tasks=word-forms:past-tense")

    @property
    def alone(self) -> Iterator["StudySettings"]:
        """The studies that this one is made of: itself, or one a variant."""
        if not self.variants:
            yield self
        for variant in self.variants:
            values = {each.name: getattr(self, each.name) for each in fields(self)}
            yield _settings({**values, **variant, "variants": ()})

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """The values of every axis by its name, in the order in which cells are made."""
        return {name: getattr(self, name) for name in AXES}


AXES: Mapping[str, str] = {
    "parents": "parents",
    "children": "child",
    "measures": "measure",
    "tasks": "task",
    "concepts": "concept",
    "methods": "method",
    "layers": "layers",
    "widths": "width",
    "profiles": "profile",
    "operators": "operator",
    "scales": "scale",
    "budgets": "budget",
    "seeds": "seed",
}
"""Names of the axes, and what one value is called in a cell. Cells of the same models follow each other."""


def read_study(source: str | Path, changes: Sequence[str] = ()) -> StudySettings:
    """Read a study.

    Args:
        source: a YAML file, or the name of one of `presets()`.
        changes: `key=value` each, where a value is YAML, or several values with commas between them.

    Raises:
        SteeringError: no such file, no YAML, or a key or value that cannot be used.
    """
    import yaml

    path = presets().get(str(source), Path(source).expanduser())
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SteeringError(
            f"{source} cannot be read as a study: {error}. Give a YAML file, or one of {', '.join(presets())}."
        ) from error
    if not isinstance(data, dict):
        raise SteeringError(f"{source} is no study: it must hold keys such as parents, children and tasks.")
    data = {"name": path.stem, **data}
    for change in changes:
        key, sign, words = change.partition("=")
        if not sign:
            raise SteeringError(f"{change!r} changes nothing; write key=value, such as seeds=0,1.")
        try:
            data[key] = yaml.safe_load(words)
        except yaml.YAMLError as error:
            raise SteeringError(f"The value of {change!r} is no YAML: {error}.") from error
        for variant in data["variants"] if isinstance(data.get("variants"), list) else ():
            if isinstance(variant, dict):
                variant.pop(key, None)  # What is changed holds in every variant.
        if isinstance(data[key], str) and (key in AXES or key == "lambdas"):
            data[key] = [yaml.safe_load(word) for word in words.split(",")]
    return _settings(data)


def write_settings(settings: StudySettings, path: Path) -> None:
    """Write a study as a file that `read_study` reads, with what is the default written too."""
    import yaml

    data = json.loads(json.dumps(asdict(settings)))
    with atomic(path) as temporary:
        temporary.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), "utf-8")


def presets() -> dict[str, Path]:
    """The bundled studies by name."""
    folder = Path(__file__).parent / "presets"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def short(name: str) -> str:
    """The name of a model, task or concept without its owner or folder."""
    return name.rstrip("/").rpartition("/")[2]


def _settings(data: Mapping[str, Any]) -> StudySettings:
    names = [each.name for each in fields(StudySettings)]
    if unknown := [str(key) for key in data if key not in names]:
        raise SteeringError(f"A study has no {unknown[0]!r}. Its keys: {', '.join(names)}.")
    values: dict[str, Any] = dict(data)
    for axis in AXES:
        if axis in values:
            listed = values[axis] if isinstance(values[axis], list | tuple) else [values[axis]]
            values[axis] = tuple(listed)
    if "parents" in values:
        values["parents"] = tuple(
            tuple(each) if isinstance(each, list | tuple) and each else (each,) for each in values["parents"]
        )
    texts = [*(text for each in values.get("parents", ()) for text in each)]
    texts += [text for axis in ("children", "concepts") for text in values.get(axis, ())]
    texts += [text for text in values.get("tasks", ()) if text is not None]
    for text in texts:
        if not isinstance(text, str):
            raise SteeringError(f"The study {values['name']!r} holds {text!r} where a name or a file must stand.")
    if not isinstance(values.get("variants", ()), list | tuple):
        raise SteeringError(f"The variants of {values['name']!r} must be a list, each with keys of a study.")
    values["variants"] = tuple(values.get("variants", ()))
    for variant in values["variants"]:
        if not isinstance(variant, dict):
            raise SteeringError(f"A variant of {values['name']!r} is {variant!r}; it must hold keys of a study.")
    if isinstance(values.get("lambdas"), list):
        values["lambdas"] = tuple(values["lambdas"])
    elif isinstance(values.get("lambdas"), int | float):
        values["lambdas"] = (values["lambdas"],)
    return StudySettings(**values)


def _among(what: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise SteeringError(f"Unknown value {value!r} of {what}. Choose from {', '.join(choices)}.")
