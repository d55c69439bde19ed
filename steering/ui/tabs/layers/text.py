"""Every sentence and label of the Layers tab."""

from steering.formatting import signed
from steering.measure import Similarity, TextCorrelation

TAB = "Layers"
LAYERS_INTRO = (
    "Each cell compares one parent layer with one child layer on this concept. "
    "A dot marks the best child layer for each parent layer. Click a cell to look at that pair of layers."
)
METRIC = "Metric"
METRIC_INFO = {
    "scores": "How alike both models place held-out texts along directions of their own: the correlation (Pearson's r)",
    "cka": "How alike both models' activations on the anchor texts are, however they are turned (linear CKA)",
    "aligned": "How near the carried direction lies to the child's own: their cosine",
    "r2": "How much of the child's activations the map predicts on texts left out of its fit (held-out R²)",
    "gradient": "How near the carried direction lies to what makes the concept’s held-out continuations likelier: their cosine",
}
COMPUTE = "Compute"
NO_PLOT = (
    "Press Compute to compare every layer of the parent with every layer of the child. The first time takes about a "
    "minute; maps that were computed since the app started come back at once."
)
STALE_PLOT = "This map was computed for other models, pairs or another metric. Press Compute to bring it up to date."

NO_PAIR = "One of these two layers holds nothing to compare: it puts all texts at the same place."
USE_PAIR = "Use this pair"
ALL_LAYERS = "Back to all layers"
USED_PAIR = (
    "Generate now steers child layer {child} alone, with the direction of parent layer {parent}. "
    "“Back to all layers” takes that back."
)
BACK = "Generate now uses the {layers} layer map again."
NO_MAP = "There is no map of layers yet. Press Compute first."

PROFILE = "Layer profile"
PROFILE_INTRO = "How much of the push each child layer gets. The weights count in proportion to each other."
BARS_UNKNOWN = "The bars appear when the child's number of layers is known: press Generate on the Steer tab."
BARS_HINT = (
    "Drag or tap the bars. With the keyboard: left and right go to another layer, up and down change its weight."
)
BARS_HATCHED = "Hatched layers carry nothing of the concept and are not steered."
BARS_WORDS = {
    "layer": "child layer {layer}",
    "bar": "child layer {layer}: w = {weight}, {share} % of the push",
    "no_signal": "child layer {layer}: w = {weight}, but it carries nothing of the concept and is not steered",
    "alone": "one layer",
}

PREVIEW = "Preview"
PREVIEW_LAM = "λ of the preview"
PREVIEW_EMPTY = (
    "Press Preview to see what this profile does to the text of the Steer tab's prompt. "
    "Once the vector is ready, every edit of the bars is previewed by itself."
)
PREVIEW_STALE = "These texts were written with other settings. Press Preview to bring them up to date."
PREVIEW_NO_PROMPT = "The prompt on the Steer tab is empty. Write what the child should answer or continue."
WRITING = "Writing the preview"
BASELINE = "Baseline, λ = 0"
STEERED = "Steered, λ = {lam}"
SAME = "= identical to baseline"
BROKEN = "▲ fails a check"

REPORT = "How well the vector was carried"
NO_REPORT = "The report appears when a vector has been carried to the child: press Generate on the Steer tab."
SAME_MODEL_REPORT = "Parent and child are the same model, so the vector is used as it is: nothing was carried."
MEASURE_EFFECT = "Measure the effect that is kept"
MEASURED = "Effect measured, see the report."


def map_summary(similarity: Similarity) -> str:
    """The models and texts of a map of layers, and its similarities by chance."""
    about = "anchor texts" if similarity.metric in ("cka", "r2") else f"texts of “{similarity.concept}”"
    return (
        f"{similarity.parent} (rows) against {similarity.child} (columns), on {similarity.n_texts} {about}. By chance, with "
        f"texts paired at random, 95 % of the cells stay below {similarity.chance:.2f}."
    )


def cell(parent_layer: int, child_layer: int, symbol: str, value: float, metric: str) -> str:
    """The similarity of a pair of layers."""
    return f"Parent layer {parent_layer} → child layer {child_layer}: {symbol} = {signed(value)} ({metric})"


def agree(correlation: TextCorrelation, labels: tuple[str, str]) -> str:
    """The correlation of two layers over the texts."""
    within = " and ".join(f"{signed(r)} ({label})" for r, label in zip(correlation.within, labels, strict=True))
    low, high = signed(correlation.low), signed(correlation.high)
    return (
        f"The two projections: r = {signed(correlation.r)} over {correlation.n} held-out texts, 95 % interval {low} to "
        f"{high} if the texts count as independent. Within one pole: {within}."
    )


def other_length(weights: int, layers: int) -> str:
    """Says why the bars cannot show the chosen profile."""
    return f"The chosen profile has {weights} weights, and this child has {layers} layers. Choose another one."


def previewed(seconds: float, prompt: str) -> str:
    """The end of a preview."""
    short = prompt if len(prompt) <= 60 else prompt[:59] + "…"
    return f"“{short}”, written in {seconds:.1f}\u00a0s."
