const find = (selector) => element.querySelector(selector);
const list = find(".rows");
let chosen = null;

const span = (className, text) => {
  const node = document.createElement("span");
  node.className = className;
  node.textContent = text || "";
  return node;
};

// One row of the list; `position` maps a score to a position in the chart.
function build(row, position) {
  const node = document.createElement("button");
  node.type = "button";
  node.setAttribute("role", "radio");
  node.className = "row" + (row.fights ? " fights" : "") + (row.gone ? " gone" : "");
  node.setAttribute("aria-label", row.label);
  node.title = row.label;
  const words = span("words");
  words.append(span("subdued", row.opening + " "), span("", row.positive), span("subdued", " / " + row.negative));
  const chart = span("chart");
  for (const name of ["zero", "half", "dot"]) chart.append(span(name));
  for (const [name, value] of [["zero", 0], ["low", row.low], ["high", row.high], ["score", row.score]])
    chart.style.setProperty("--" + name, position(value));
  node.append(span("mark", row.mark), span("number", String(row.number)), words, chart, span("score", row.words));
  node.addEventListener("click", () => choose(row.number));
  return node;
}

function markChosen() {
  const rows = props.value.rows;
  [...list.children].forEach((node, index) => {
    const isChosen = rows[index].number === chosen;
    node.setAttribute("aria-checked", String(isChosen));
    node.tabIndex = isChosen || (chosen === null && index === 0) ? 0 : -1;
  });
}

function choose(number) {
  chosen = number;
  markChosen();
  trigger("select", { number });
}

function paint() {
  const value = props.value;
  if (!value || !value.rows) return;
  find(".votes").dataset.phase = value.rows.length ? "done" : "empty";
  find(".note").textContent = value.note;
  find(".legend").textContent = value.legend;
  find(".axis .left").textContent = "◂ " + value.left;
  find(".axis .right").textContent = value.right + " ▸";
  const low = Math.min(-0.3, ...value.rows.map((row) => row.low)), high = Math.max(1.3, ...value.rows.map((row) => row.high));
  const position = (score) => (100 * (score - low)) / (high - low) + "%";
  find(".axis").style.setProperty("--zero", position(0));
  const focused = [...list.children].indexOf(document.activeElement), top = list.scrollTop;
  list.replaceChildren(...value.rows.map((row) => build(row, position)));
  list.scrollTop = top;
  chosen = value.chosen;
  markChosen();
  if (focused >= 0 && list.children[focused]) list.children[focused].focus({ preventScroll: true });
}

list.addEventListener("keydown", (event) => {
  const index = [...list.children].indexOf(document.activeElement), last = list.children.length - 1;
  const target = { ArrowDown: index + 1, ArrowRight: index + 1, ArrowUp: index - 1, ArrowLeft: index - 1, Home: 0, End: last,
    PageDown: index + 8, PageUp: index - 8 }[event.key];
  if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const next = Math.min(Math.max(target, 0), last);
  list.children[next].focus();
  choose(props.value.rows[next].number);
});
watch("value", paint);
paint();
