const find = (selector) => element.querySelector(selector);
const list = find(".rows");
let chosen = null;

const part = (name, words) => {
  const node = document.createElement("span");
  node.className = name;
  node.textContent = words || "";
  return node;
};

function build(row, at) {
  const node = document.createElement("button");
  node.type = "button";
  node.setAttribute("role", "radio");
  node.className = "row" + (row.fights ? " fights" : "") + (row.gone ? " gone" : "");
  node.setAttribute("aria-label", row.label);
  node.title = row.label;
  const words = part("words");
  words.append(part("other", row.opening + " "), part("own", row.positive), part("other", " / " + row.negative));
  const chart = part("chart");
  for (const name of ["zero", "half", "dot"]) chart.append(part(name));
  for (const [name, value] of [["zero", 0], ["low", row.low], ["high", row.high], ["at", row.score]])
    chart.style.setProperty("--" + name, at(value));
  node.append(part("mark", row.mark), part("number", String(row.number)), words, chart, part("score", row.words));
  node.addEventListener("click", () => choose(row.number, true));
  return node;
}

function mark() {
  const rows = props.value.rows;
  [...list.children].forEach((node, place) => {
    const own = rows[place].number === chosen;
    node.setAttribute("aria-checked", String(own));
    node.tabIndex = own || (chosen === null && place === 0) ? 0 : -1;
  });
}

function choose(number, tell) {
  chosen = number;
  mark();
  if (tell) trigger("select", { number });
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
  const at = (number) => (100 * (number - low)) / (high - low) + "%";
  find(".axis").style.setProperty("--zero", at(0));
  const focused = [...list.children].indexOf(document.activeElement), top = list.scrollTop;
  list.replaceChildren(...value.rows.map((row) => build(row, at)));
  list.scrollTop = top;
  chosen = value.chosen;
  mark();
  if (focused >= 0 && list.children[focused]) list.children[focused].focus({ preventScroll: true });
}

list.addEventListener("keydown", (event) => {
  const place = [...list.children].indexOf(document.activeElement), last = list.children.length - 1;
  const to = { ArrowDown: place + 1, ArrowRight: place + 1, ArrowUp: place - 1, ArrowLeft: place - 1, Home: 0, End: last,
    PageDown: place + 8, PageUp: place - 8 }[event.key];
  if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const next = Math.min(Math.max(to, 0), last);
  list.children[next].focus();
  choose(props.value.rows[next].number, true);
});
watch("value", paint);
paint();
