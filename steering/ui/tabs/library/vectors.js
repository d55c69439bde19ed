const vectors = element.querySelector(".vectors"), body = element.querySelector("tbody");
const cell = (kind, words) => {
  const node = document.createElement(kind);
  node.textContent = words;
  return node;
};

function choose(row) {
  vectors.dataset.chosen = row.dataset.name;
  [...body.children].forEach((other) => {
    other.setAttribute("aria-checked", String(other === row));
    other.tabIndex = other === row ? 0 : -1;
  });
  trigger("select");
}

function move(event) {
  const rows = [...body.children], place = rows.indexOf(event.currentTarget);
  const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: rows.length - 1, " ": place, Enter: place }[event.key];
  if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const row = rows[Math.min(Math.max(to, 0), rows.length - 1)];
  row.focus();
  choose(row);
}

function paint() {
  const { columns, rows, chosen, empty } = props.value;
  vectors.dataset.chosen = chosen;
  element.querySelector(".nothing").textContent = empty;
  element.querySelector(".nothing").hidden = rows.length > 0;
  element.querySelector(".nothing").style.display = rows.length > 0 ? "none" : "";
  element.querySelector(".scroll").hidden = rows.length === 0;
  element.querySelector("thead tr").replaceChildren(...columns.map((words) => cell("th", words)));
  body.replaceChildren(...rows.map(({ name, cells }, place) => {
    const row = document.createElement("tr"), picked = name === chosen;
    row.dataset.name = name;
    row.setAttribute("role", "radio");
    row.setAttribute("aria-checked", String(picked));
    row.setAttribute("aria-label", cells.join(", "));
    row.tabIndex = picked || (place === 0 && !rows.some((one) => one.name === chosen)) ? 0 : -1;
    row.append(...cells.map((words) => cell("td", words)));
    row.addEventListener("click", () => choose(row));
    row.addEventListener("keydown", move);
    return row;
  }));
}

watch("value", paint);
paint();
