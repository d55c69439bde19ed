const vectors = element.querySelector(".vectors"), body = element.querySelector("tbody");
const cell = (tag, text) => {
  const node = document.createElement(tag);
  node.textContent = text;
  return node;
};

function choose(chosenRow) {
  vectors.dataset.chosen = chosenRow.dataset.name;
  [...body.children].forEach((row) => {
    row.setAttribute("aria-checked", String(row === chosenRow));
    row.tabIndex = row === chosenRow ? 0 : -1;
  });
  trigger("select");
}

function moveByKey(event) {
  const rows = [...body.children], index = rows.indexOf(event.currentTarget);
  const target = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: rows.length - 1, " ": index, Enter: index }[event.key];
  if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const row = rows[Math.min(Math.max(target, 0), rows.length - 1)];
  row.focus();
  choose(row);
}

function paint() {
  if (!props.value || !props.value.rows) return;  // Gradio may load a component before it gives it its value.
  const { columns, rows, chosen, empty } = props.value;
  vectors.dataset.chosen = chosen;
  element.querySelector(".nothing").textContent = empty;
  element.querySelector(".nothing").hidden = rows.length > 0;
  element.querySelector(".nothing").style.display = rows.length > 0 ? "none" : "";
  element.querySelector(".scroll").hidden = rows.length === 0;
  element.querySelector("thead tr").replaceChildren(...columns.map((label) => cell("th", label)));
  const hasChosen = rows.some((row) => row.name === chosen);
  body.replaceChildren(...rows.map(({ name, cells }, index) => {
    const row = document.createElement("tr"), isChosen = name === chosen;
    row.dataset.name = name;
    row.setAttribute("role", "radio");
    row.setAttribute("aria-checked", String(isChosen));
    row.setAttribute("aria-label", cells.join(", "));
    row.tabIndex = isChosen || (index === 0 && !hasChosen) ? 0 : -1;
    row.append(...cells.map((text) => cell("td", text)));
    row.addEventListener("click", () => choose(row));
    row.addEventListener("keydown", moveByKey);
    return row;
  }));
}

watch("value", paint);
paint();
