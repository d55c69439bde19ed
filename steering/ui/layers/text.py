"""Every sentence and label of the Layers tab."""

from steering.similarity import Similarity

TAB = "Layers"
LAYERS_INTRO = (
    "Each cell compares one parent layer with one child layer on this concept. "
    "A dot marks the best child layer for each parent layer."
)
METRIC = "Metric"
METRIC_INFO = {
    "scores": "Pearson r between the projections of held-out texts on both models' own directions",
    "cka": "Linear CKA between activations on the anchor texts",
    "aligned": "Cosine between the carried direction and the child's own",
    "r2": "Held-out R² of the map from parent layer to child layer",
    "gradient": "Cosine between the carried direction and what moves the child towards the concept’s held-out continuations",
}
COMPUTE = "Compute"
NO_PLOT = "Press Compute to compare every layer of the parent with every layer of the child. It takes about a minute."
REPORT = "How well the vector was carried"
NO_REPORT = "The report appears when a vector has been carried to the child: press Generate on the Steer tab."
SAME_MODEL_REPORT = "Parent and child are the same model, so the vector is used as it is: nothing was carried."
MEASURE_EFFECT = "Measure the effect that is kept"
MEASURED = "Effect measured, see the report below."
STALE_PLOT = "This map was computed for other models, pairs or another metric. Press Compute to bring it up to date."


def compared(found: Similarity) -> str:
    """What a map of layers rests on, and what its numbers would be by chance."""
    about = "anchor texts" if found.metric in ("cka", "r2") else f"texts of “{found.concept}”"
    return (
        f"{found.parent} (rows) against {found.child} (columns), on {found.n_texts} {about}. By chance, with texts "
        f"paired at random, 95 % of the cells stay below {found.chance:.2f}."
    )
