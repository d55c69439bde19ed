"""Every sentence and label of the Concept tab."""

TAB = "Concept"

PAIRS_HEADERS = ("Positive", "Negative")
PAIRS_INTRO = (
    "Each row is a pair of texts that differ in the concept alone. The direction is read at the last token of each "
    "text. Click a cell and type; nothing runs until you press Generate."
)
POSITIVE_LABEL = "λ > 0 pushes towards"
NEGATIVE_LABEL = "λ < 0 pushes towards"
ADD_PAIR = "Add row"
DELETE_PAIR = "Delete row"
UNDO = "Undo"
UPLOAD = "Upload CSV"
DOWNLOAD = "Download CSV"
RESET = "Reset to bundled"
SELECT_FIRST = "Click a cell of the row that you want to delete, then press Delete row."
NO_PROBLEMS = "No problems found."
PROBLEMS = "Problems"
UNREADABLE_UPLOAD = "{name} cannot be read as UTF-8 text. Save it as UTF-8 and upload it again."
