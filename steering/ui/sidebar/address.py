"""The page's address: a link with the prompt, the settings and λ, which opens the page with them.

Only values that differ from the defaults are written. What an address says and the page does not understand is named.
Edited pairs are not part of the link; a session file holds them. The same text is kept in the tab of the browser, so that a
reload brings back models, prompt, settings and λ; it goes when the tab is closed.
"""

import json
from functools import partial

import gradio as gr

from steering.ui import text
from steering.ui.events.binder import EventBinder
from steering.ui.sidebar.layout import menu_values
from steering.ui.state.settings import FIELDS

ADDRESS_FIELDS = ("prompt", *FIELDS)
"""Components whose values the address holds, beside λ."""


def connect(events: EventBinder) -> None:
    """Read the address when the page opens, and write it when the user presses “Copy link”."""
    defaults = {name: events.page[name].value for name in ADDRESS_FIELDS}
    choices = {name: menu_values(events.page[name]) for name in ADDRESS_FIELDS}
    ranges = {
        name: [part.minimum, part.maximum]
        for name in ADDRESS_FIELDS
        if isinstance(part := events.page[name], gr.Slider)
    }
    data = {"names": ADDRESS_FIELDS, "defaults": defaults, "choices": choices, "ranges": ranges}
    constants = f"const {{ names, defaults, choices, ranges }} = {json.dumps(data, ensure_ascii=False)};"
    inputs = [*ADDRESS_FIELDS, "wanted_lam"]
    code = f"(...values) => {{ {constants} {_READ} }}"
    events.js(events.demo.load, code, inputs, [*inputs, "address_note"])
    events.js(events.page["copy_link"].click, f"(...values) => {{ {constants} {_QUERY} {_WRITE} }}", ADDRESS_FIELDS)
    changed = partial(gr.on, [events.page[name].change for name in ADDRESS_FIELDS])
    events.js(changed, f"(...values) => {{ {constants} {_QUERY} {_KEEP} }}", ADDRESS_FIELDS)


_READ = (
    f"""
  const words = {json.dumps(text.ADDRESS_PROBLEMS)};
"""
    + """
  const own = (query) => [...query.keys()].some((name) => !name.startsWith("__"));
  let query = new URLSearchParams(location.search), problems = [], kept = "";
  try { kept = sessionStorage.getItem("steering-lab") || ""; } catch { kept = ""; }
  const reloaded = !own(query) && kept !== "";
  if (reloaded) query = new URLSearchParams(kept);
  const problem = (kind, name, value, allowed) => problems.push(words[reloaded ? "kept" : kind].replace("{name}", name)
    .replace("{value}", value.slice(0, 60)).replace("{allowed}", (allowed || []).join(", ")));
  const read = (name, value) => {
    const text = query.get(name);
    if (text === null) return value;
    const refuse = (kind) => { problem(kind, name, text, choices[name]); return value; };
    if (choices[name]) return choices[name].includes(text) ? text : refuse("choice");
    if (typeof defaults[name] === "boolean") return ["true", "false"].includes(text) ? text === "true" : refuse("flag");
    if (ranges[name] && isNumber(text)) {
      const [low, high] = ranges[name];
      if (Number(text) >= low && Number(text) <= high) return Number(text);
      problem("range", name, text, [low + " to " + high]);
      return value;
    }
    if (typeof defaults[name] === "number") return isNumber(text) ? Number(text) : refuse("number");
    return text;
  };
  const isNumber = (text) => text.trim() !== "" && Number.isFinite(Number(text));
  const lam = query.get("lam");
  if (lam !== null && !isNumber(lam)) problem("number", "lam", lam);
  const wantedLam = lam !== null && isNumber(lam) ? Number(lam) : values[names.length];
  for (const name of new Set(query.keys()))
    if (!names.includes(name) && name !== "lam" && !name.startsWith("__")) problem("unknown", name, query.get(name));
  const fields = names.map((name, index) => read(name, values[index]));
  const note = document.createElement("p");
  note.textContent = problems.join(" ");
  const shown = problems.length ? '<div class="lab-status warning" role="status">' + note.outerHTML + "</div>" : "";
  return [...fields, wantedLam, shown];
"""
)

_QUERY = """
  const query = new URLSearchParams();
  names.forEach((name, index) => {
    const value = values[index];
    if (value !== null && String(value) !== String(defaults[name])) query.set(name, value);
  });
  const lam = () => document.querySelector("#viewer .viewer")?.dataset.lam;
"""

_KEEP = """
  const keep = () => {
    if (lam() !== undefined) window.steeringLabQuery.set("lam", Number(lam()));
    try { sessionStorage.setItem("steering-lab", window.steeringLabQuery); } catch { /* A browser that keeps nothing. */ }
  };
  if (!window.steeringLabQuery) window.addEventListener("pagehide", keep);
  window.steeringLabQuery = query;
  keep();
"""

_WRITE = f"""
  query.set("lam", Number(lam()));
  const link = location.origin + location.pathname + "?" + query;
  history.replaceState(null, "", link);
  const button = document.querySelector("#copy-link"), label = {json.dumps(text.COPY_LINK)};
  const show = (result) => {{ button.textContent = result; setTimeout(() => {{ button.textContent = label; }}, 2500); }};
  const copied = navigator.clipboard ? navigator.clipboard.writeText(link) : Promise.reject();
  copied.then(() => show({json.dumps(text.LINK_COPIED)}), () => show({json.dumps(text.LINK_SHOWN)}));
"""
