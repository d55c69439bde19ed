"""Every sentence and label of the export."""

TAKE = "Export this page"

TAKE_INTRO = (
    "The texts of the Steer tab with what made them. A session brings the page back: settings, pairs, prompt and texts. "
    "The report is one file that opens anywhere, also without a network."
)

CSV = "Save texts (CSV)"

SESSION = "Save session (JSON)"

LOAD_SESSION = "Load session"

REPORT = "Save report (HTML)"

NO_TEXTS = "There are no texts of {concept} yet. Press Generate on the Steer tab first."

UNREADABLE_FILE = "{name} cannot be read as UTF-8 text. Choose a session file that was saved here."

UNKNOWN_SETTING = "The session says {name} = {value}, and this page offers {choices}."

MISSING_SETTING = "The session does not say {name}."

NO_SAMPLING = "The session does not say how many tokens its texts may have."

WRONG_KIND = "The session says {name} = {value}, which is not {kind}."

FROM_SESSION = "From a session file; written by {child}."

PYTHON = "Copy as Python"

PYTHON_INTRO = (
    "Run where Steering Lab is installed, this writes the same texts: same models, pairs, method, λ and seed."
)

FILE_CHANGED = (
    "{name} holds another vector than the one that this page steers with. Check it and press “Steer with it” again."
)

PYTHON_STALE = (
    "The script says what the sidebar says now; the texts on the page were made with other settings. Generate makes "
    "them agree."
)


def restored(concept: str, prompt: str, texts: int) -> str:
    """The end of loading a session."""
    texts_sentence = f"{texts} texts are shown on the Steer tab" if texts else "It holds no texts"
    return f"The session is back: {concept}, “{prompt[:60]}”. {texts_sentence}; models load on Generate."
