"""The page's address: a link that says, readably, what a visitor had chosen, and that opens the page that way.

Only what differs from the page as it opens is written. Edited pairs are not in it: a session file keeps those.
"""

import json

from steering.ui import text
from steering.ui.events.binder import EventBinder
from steering.ui.sidebar.layout import offered
from steering.ui.state.settings import FIELDS

NAMES = ("prompt", *FIELDS)
"""Components that an address speaks of, beside λ."""


def connect(events: EventBinder) -> None:
    """Read the address when the page opens, and write it when a link is asked for."""
    first = {name: events.page[name].value for name in NAMES}
    choices = {name: offered(events.page[name]) for name in NAMES}
    names, shared = json.dumps(NAMES), json.dumps({"first": first, "choices": choices}, ensure_ascii=False)
    events.js(
        events.demo.load,
        f"(...values) => {{ const names = {names}, known = {shared}; {_READ} }}",
        [*NAMES, "wanted_lam"],
        [*NAMES, "wanted_lam"],
    )
    events.js(
        events.page["copy_link"].click,
        f"(...values) => {{ const names = {names}, known = {shared}; {_WRITE} }}",
        NAMES,
    )


_READ = """
  const query = new URLSearchParams(location.search);
  const read = (name, value) => {
    const words = query.get(name);
    if (words === null) return value;
    const first = known.first[name], choices = known.choices[name];
    if (choices) return choices.includes(words) ? words : value;
    if (typeof first === "boolean") return words === "true";
    if (typeof first === "number") return words.trim() !== "" && Number.isFinite(Number(words)) ? Number(words) : value;
    return words;
  };
  const lam = query.get("lam");
  const wanted = lam !== null && lam.trim() !== "" && Number.isFinite(Number(lam)) ? Number(lam) : values[names.length];
  return [...names.map((name, place) => read(name, values[place])), wanted];
"""

_WRITE = f"""
  const query = new URLSearchParams();
  names.forEach((name, place) => {{
    const value = values[place];
    if (value !== null && String(value) !== String(known.first[name])) query.set(name, value);
  }});
  query.set("lam", Number(document.querySelector("#viewer .viewer").dataset.lam));
  const link = location.origin + location.pathname + "?" + query;
  history.replaceState(null, "", link);
  const button = document.querySelector("#copy-link"), words = {json.dumps(text.COPY_LINK)};
  const say = (said) => {{ button.textContent = said; setTimeout(() => {{ button.textContent = words; }}, 2500); }};
  const copied = navigator.clipboard ? navigator.clipboard.writeText(link) : Promise.reject();
  copied.then(() => say({json.dumps(text.LINK_COPIED)}), () => say({json.dumps(text.LINK_SHOWN)}));
"""
