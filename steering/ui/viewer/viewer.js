const find = (selector) => element.querySelector(selector);
const slider = find(".slider"), number = find(".number"), strip = find(".strip");
const cards = { baseline: find(".card.baseline"), steered: find(".card.steered") };
const LEGEND = [["◆", "baseline"], ["●", "passes the checks"], ["·", "too short to judge"],
  ["=", "identical to baseline"], ["▲", "fails a check"]];
const START = 0.3;

let rows = [];
let chosen = START;
let lastRequested = null;
let furthest = 0;

const format = (lam) => {
  const size = Math.abs(lam).toFixed(2).replace(/(\.\d)0$/, "$1").replace(/\.0$/, "");
  return Number(size) === 0 ? "0" : (lam > 0 ? "+" : "−") + size;
};
const nearest = (lam) =>
  rows.reduce((best, row, index) => (Math.abs(row.lam - lam) < Math.abs(rows[best].lam - lam) - 1e-9 ? index : best), 0);
const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };

// Number of characters at which both texts are equal, cut at the end of a word.
function commonStart(first, second) {
  let length = 0;
  while (length < first.length && length < second.length && first[length] === second[length]) length += 1;
  if (length === first.length && length === second.length) return length;
  while (length > 0 && /\S/.test(first[length - 1])) length -= 1;
  return length;
}

const percent = (share) => (share < 0.1 ? (100 * share).toFixed(1) : Math.round(100 * share)) + " %";
const unsteered = () => props.value.baseline || rows.find(({ lam }) => lam === 0);
const isRead = ([, , , along]) => along !== null && along !== undefined;
const colouring = () => (find(".colour").value === "along" && !furthest ? "change" : find(".colour").value);
const coloured = (row) => (row.tokens || []).length > 0 && row.tokens.map(([piece]) => piece).join("") === row.text
  && (colouring() === "change" ? row !== unsteered() : colouring() === "along" && row.tokens.every(isRead));

// How a token is tinted, from −1 to 1, and what is said of it. By change: the logarithm of how many times λ multiplied its
// probability. By reading: how far it lies along the direction, in parts of the furthest token of all texts.
const TINTS = {
  change([, before, after]) {
    const times = Math.log2((after + 1e-4) / (before + 1e-4));
    return [Math.abs(times) < 1 ? 0 : Math.sign(times) * Math.min((2 + Math.abs(times)) / 7.5, 1),
      percent(before) + " without λ, " + percent(after) + " with it"];
  },
  along([, , , along]) {
    const [positive, negative] = props.value.labels, share = along / furthest;
    return [Math.abs(share) < 0.15 ? 0 : share, "lies " + Math.abs(along).toFixed(2) + " further towards “"
      + (along < 0 ? negative : positive) + "” than the baseline’s tokens on average (a difference of cosines)"];
  },
};

// One element a token.
function tokenSpans(row, shared) {
  let place = row.text.trimStart().length - row.text.length;
  return row.tokens.map((token) => {
    const span = document.createElement("span"), piece = token[0], [tint, words] = TINTS[colouring()](token);
    span.textContent = place < 0 ? piece.trimStart() : piece;
    place += piece.length;
    if (place <= shared) span.className = "shared";
    if (tint) {
      span.className += tint > 0 ? " likelier" : " rarer";
      span.style.setProperty("--tint", 45 * Math.abs(tint) + "%");
    }
    span.title = "“" + piece.trim() + "”: " + words;
    return span;
  });
}

function paintCard(card, row, note, shared) {
  const body = card.querySelector(".text");
  const written = row && row.text;
  body.classList.toggle("empty", !written);
  if (!written) {
    body.textContent = note || (row && row.state === "writing" ? "…" : "");
  } else {
    const before = document.createElement("span");
    before.className = "shared";
    const words = row.text.trimStart();
    before.textContent = words.slice(0, shared);
    const after = document.createElement("span");
    after.textContent = words.slice(shared);
    const tokens = coloured(row) ? tokenSpans(row, shared) : [];
    body.replaceChildren(...(tokens.length ? tokens : shared ? [before, after] : [after]));
  }
  const badges = card.querySelector(".badges");
  badges.replaceChildren(...(row ? row.badges : []).map((badge) => {
    const node = document.createElement("span");
    node.className = "badge " + badge.tone;
    node.textContent = badge.words;
    node.title = badge.title;
    return node;
  }));
  card.classList.toggle("broken", Boolean(row) && row.state === "broken");
}

function paintChoice() {
  const chosenIndex = nearest(chosen), row = rows[chosenIndex], zero = unsteered();
  const low = Number(slider.min), high = Number(slider.max), span = high - low || 1;
  const position = (lam) => (Math.min(Math.max(lam, low), high) - low) / span;
  const track = find(".track");
  track.style.setProperty("--from", Math.min(position(chosen), position(0)));
  track.style.setProperty("--to", Math.max(position(chosen), position(0)));
  track.style.setProperty("--origin", position(0));
  track.dataset.side = chosen < 0 ? "negative" : "positive";
  slider.value = String(chosen);
  slider.setAttribute("aria-valuetext", "λ = " + format(row.lam) + ", " + row.word);
  if (document.activeElement !== number) number.value = format(chosen);
  const between = Math.abs(row.lam - chosen) > 1e-6;
  find(".viewer").dataset.lam = chosen;
  find(".here").hidden = !between || !props.value.exact;
  const where = chosen < low || chosen > high ? "outside" : "between";
  setText(find(".near p"), between ? "λ = " + format(chosen) + " lies " + where + " the strengths that were written: the nearest λ "
    + "shown, " + format(row.lam) + "." : "");
  [...strip.children].forEach((chip, index) => {
    chip.setAttribute("aria-checked", String(index === chosenIndex));
    chip.tabIndex = index === chosenIndex ? 0 : -1;
  });
  const { also } = props.value;
  setText(cards.steered.querySelector(".lam"), "λ = " + format(row.lam) + (also ? " and " + also : ""));
  setText(find(".zero-is"), also ? "0 leaves the second concept alone." : "0 is the unsteered child.");
  const { note } = props.value;
  paintCard(cards.baseline, zero, note, 0);
  paintCard(cards.steered, row, note && "The same prompt, steered by λ = " + format(row.lam) + ", appears here.",
    zero && row !== zero && row.text ? commonStart(row.text.trimStart(), zero.text.trimStart()) : 0);
  find(".colours").hidden = !rows.some((each) => (each.tokens || []).length);
  find('.colour [value="along"]').disabled = !furthest;
  for (const kind of ["change", "along"]) find(".key." + kind).hidden = colouring() !== kind;
  paintMoves(row);
}

function paintMoves(row) {
  const moves = row.moves || [], allMoves = rows.flatMap((each) => each.moves || []);
  find(".moves").hidden = !allMoves.length;
  if (!allMoves.length) return;
  const points = (move) => 100 * (move.after - move.before);
  const largest = Math.max(...allMoves.map((move) => Math.abs(points(move))), 1e-9);
  find(".moves").classList.toggle("unchanged", row === unsteered());
  find(".moves tbody").replaceChildren(...moves.map((move) => {
    const line = document.createElement("tr"), change = points(move);
    const [token, bar, share] = ["th", "td", "td"].map((kind) => line.appendChild(document.createElement(kind)));
    token.scope = "row";
    const partial = move.token.includes("\ufffd");
    token.textContent = partial ? "▯" : move.token.replace(/\n/g, "⏎").replace(/^ /, "␣") || "␀";
    token.title = partial ? "A part of a character that several tokens write" : "";
    const fill = bar.appendChild(document.createElement("span")), label = bar.appendChild(document.createElement("b"));
    bar.className = change < 0 ? "down" : "up";
    fill.style.width = Math.abs(change) / largest * 50 + "%";
    label.textContent = (change < 0 ? "−" : "+") + Math.abs(change).toFixed(1);
    share.textContent = (100 * move.before).toFixed(1) + " % → " + (100 * move.after).toFixed(1) + " %";
    return line;
  }));
}

function paintStrip() {
  while (strip.children.length > rows.length) strip.lastChild.remove();
  while (strip.children.length < rows.length) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.setAttribute("role", "radio");
    for (const name of ["mark", "size"]) {
      const part = document.createElement("span");
      part.className = name;
      chip.append(part);
    }
    chip.addEventListener("click", () => choose(rows[[...strip.children].indexOf(chip)].lam));
    strip.append(chip);
  }
  rows.forEach((row, index) => {
    const chip = strip.children[index];
    chip.className = "chip " + row.state;
    chip.title = "λ = " + format(row.lam) + ": " + row.word;
    chip.setAttribute("aria-label", chip.title);
    setText(chip.querySelector(".mark"), row.mark);
    setText(chip.querySelector(".size"), format(row.lam));
  });
  strip.style.setProperty("--count", rows.length);
  find(".viewer").style.setProperty("--count", rows.length);
}

// The usable window: the strengths around 0 whose texts fail no check.
function paintWindow() {
  const box = find(".window"), zero = rows.findIndex((row) => row.lam === 0);
  const usable = (row) => row && ["healthy", "short", "same", "baseline"].includes(row.state);
  box.hidden = props.value.phase !== "done" || zero < 0 || !usable(rows[zero]);
  if (box.hidden) return;
  let low = zero, high = zero;
  while (usable(rows[low - 1])) low -= 1;
  while (usable(rows[high + 1])) high += 1;
  const span = rows[rows.length - 1].lam - rows[0].lam || 1;
  find(".track").style.setProperty("--low", (rows[low].lam - rows[0].lam) / span);
  find(".track").style.setProperty("--high", (rows[high].lam - rows[0].lam) / span);
}

function paintLegend() {
  const used = LEGEND.filter(([, word]) => rows.some((row) => row.word === word));
  const parts = used.map(([mark, word]) => mark + " " + word);
  if (!find(".window").hidden) parts.push("▬ usable window");
  setText(find(".legend"), parts.join("   "));
}

function paint() {
  const value = props.value;
  if (!value || !value.rows) return;
  rows = value.rows;
  slider.min = rows[0].lam;
  slider.max = rows[rows.length - 1].lam;
  const [positive, negative] = value.labels;
  setText(find(".pole.positive"), positive + " ▸");
  setText(find(".pole.negative"), "◂ " + negative);
  setText(find(".key.along .likelier"), "“" + positive + "”");
  setText(find(".key.along .rarer"), "“" + negative + "”");
  furthest = rows.flatMap((row) => row.tokens || []).filter(isRead)
    .reduce((most, [, , , along]) => Math.max(most, Math.abs(along)), 0);
  find(".viewer").dataset.phase = value.phase;
  const [source, about] = value.source || ["", ""];
  setText(find(".source"), source);
  find(".source").title = about;
  if (value.choose !== undefined && value.choose !== null && value.choose !== lastRequested) {
    chosen = lastRequested = value.choose;
  }
  setText(find(".lead"), value.lead || "");
  find(".viewer").dataset.short = String(rows.every((row) => row.text.length < 40) && rows.some((row) => row.text));
  strip.classList.toggle("long", rows.some((row) => format(row.lam).length > 4));
  paintStrip();
  paintWindow();
  paintLegend();
  paintChoice();
}

function choose(lam) {
  chosen = lam;
  paintChoice();
}

function moveByKey(event) {
  const index = nearest(chosen), last = rows.length - 1;
  const below = rows[index].lam < chosen - 1e-6 ? index : index - 1;
  const above = rows[index].lam > chosen + 1e-6 ? index : index + 1;
  const target = { ArrowLeft: below, ArrowDown: below, ArrowRight: above, ArrowUp: above,
    PageDown: index - 3, PageUp: index + 3, Home: 0, End: last }[event.key];
  if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  choose(rows[Math.min(Math.max(target, 0), last)].lam);
  if (event.currentTarget === strip) strip.children[nearest(chosen)].focus();
}

slider.addEventListener("input", () => choose(rows[nearest(Number(slider.value))].lam));
slider.addEventListener("keydown", moveByKey);
strip.addEventListener("keydown", moveByKey);
number.addEventListener("focus", () => number.select());
number.addEventListener("blur", () => paintChoice());
number.addEventListener("input", () => {
  const typed = Number(number.value.replace("−", "-").replace(",", "."));
  if (number.value.trim() && Number.isFinite(typed)) choose(typed);
  else if (!/^\s*[-−+.,]*\s*$/.test(number.value)) setText(find(".near p"), "“" + number.value + "” is not a number; λ stays "
    + format(chosen) + ".");
});
number.addEventListener("keydown", (event) => {
  if (event.key === "Enter") number.blur();
  if (event.key === "ArrowUp" || event.key === "ArrowDown") {
    moveByKey(event);
    number.value = format(chosen);
  }
});
find(".colour").addEventListener("change", () => paintChoice());
find(".zero").addEventListener("click", () => choose(0));
find(".here").addEventListener("click", () => trigger("apply"));
watch("value", paint);
paint();
