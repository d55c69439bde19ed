const cards = element.querySelector(".cards");

function line(kind, label, text) {
  const node = document.createElement("span"), strong = document.createElement("b");
  node.className = "line " + kind;
  strong.textContent = label;
  node.append(strong, " " + text);
  return node;
}

function paint() {
  if (!props.value || !props.value.examples) return;  // Gradio may load a component before it gives it its value.
  const { title, examples, chosen } = props.value;
  element.querySelector(".title").textContent = title;
  cards.replaceChildren(...examples.map(({ id, name, kind, low, high, labels }) => {
    const card = document.createElement("button"), heading = document.createElement("span");
    card.type = "button";
    card.className = "card " + kind;
    card.dataset.id = id;
    card.setAttribute("aria-pressed", String(id === chosen));
    heading.className = "name";
    heading.textContent = name;
    card.append(heading, line("low", labels[0], low), line("high", labels[1], high));
    card.title = labels[0] + " " + low + "\n" + labels[1] + " " + high;
    card.addEventListener("click", () => trigger("select", { id }));
    return card;
  }));
}

watch("value", paint);
paint();
