const find = (selector) => element.querySelector(selector);
const bars = find(".bars"), presets = find(".presets"), ticks = find(".ticks");
const SETTLE = 350, STEP = 0.05;

let weights = [];
let choice = "";
let at = 0;
let drawn = "";
let timer = null;
let last = null;

const words = () => props.value.words;
const fill = (pattern, values) => pattern.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const fed = (layer) => !props.value.signal || props.value.signal[layer];
const total = () => weights.reduce((sum, weight, layer) => sum + (fed(layer) ? weight : 0), 0);
const same = (one, other) => one.length === other.length && one.every((weight, layer) => Math.abs(weight - other[layer]) < 0.006);

function said(layer) {
  const share = fed(layer) && total() > 0 ? Math.round((100 * weights[layer]) / total()) : 0;
  return fill(fed(layer) ? words().bar : words().mute, { layer, weight: weights[layer].toFixed(2), share });
}

function build() {
  bars.replaceChildren(...weights.map((_, layer) => {
    const bar = document.createElement("div");
    bar.setAttribute("role", "slider");
    bar.setAttribute("aria-orientation", "vertical");
    bar.setAttribute("aria-valuemin", "0");
    bar.setAttribute("aria-valuemax", "1");
    bar.setAttribute("aria-label", fill(words().layer, { layer }));
    bar.append(Object.assign(document.createElement("div"), { className: "fill" }));
    bar.addEventListener("focus", () => { at = layer; paint(); });
    bar.addEventListener("pointerenter", () => { find(".readout").textContent = said(layer); });
    return bar;
  }));
  const step = [1, 2, 5, 10].find((one) => weights.length / one <= 12) || 20;
  ticks.style.setProperty("--count", weights.length);
  ticks.replaceChildren(...weights.map((_, layer) => layer).filter((layer) => layer % step === 0).map((layer) => {
    const tick = document.createElement("span");
    tick.textContent = layer;
    tick.style.setProperty("--at", layer);
    return tick;
  }));
  presets.replaceChildren(...[...Object.keys(props.value.presets), words().alone].map((name) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => {
      const ready = props.value.presets[name];
      set(ready ? [...ready] : weights.map((_, layer) => (layer === at ? 1 : 0)), ready ? name : "");
    });
    return button;
  }));
}

function paint() {
  find(".profile").dataset.empty = String(!weights.length);
  find(".hint").textContent = props.value.note;
  if (!weights.length) return;
  const shape = JSON.stringify([weights.length, Object.keys(props.value.presets)]);
  if (shape !== drawn) {
    drawn = shape;
    build();
  }
  at = Math.min(at, weights.length - 1);
  [...bars.children].forEach((bar, layer) => {
    bar.className = fed(layer) ? "bar" : "bar mute";
    bar.dataset.at = String(layer === at);
    bar.tabIndex = layer === at ? 0 : -1;
    bar.setAttribute("aria-valuenow", weights[layer].toFixed(2));
    bar.setAttribute("aria-valuetext", said(layer));
    bar.style.setProperty("--w", weights[layer]);
  });
  const single = weights.filter((weight) => weight > 0).length === 1;
  [...presets.children].forEach((button) => {
    const pressed = button.textContent === words().alone ? single && !choice : button.textContent === choice;
    button.setAttribute("aria-pressed", String(pressed));
  });
  find(".readout").textContent = said(at);
}

// What was edited is sent when the hand rests: a drag is one edit.
function send() {
  timer = null;
  props.value = { ...props.value, weights: [...weights], choice };
  trigger("input");
}

function set(next, name) {
  weights = next.map((weight) => Math.round(100 * Math.min(Math.max(weight, 0), 1)) / 100);
  choice = name || Object.keys(props.value.presets).find((preset) => same(props.value.presets[preset], weights)) || "";
  clearTimeout(timer);
  timer = setTimeout(send, SETTLE);
  paint();
}

const change = (layer, weight) => set(weights.map((own, other) => (other === layer ? weight : own)));

function place(event) {
  const box = bars.getBoundingClientRect();
  const layer = Math.floor(((event.clientX - box.left) / box.width) * weights.length);
  return [Math.min(Math.max(layer, 0), weights.length - 1), 1 - (event.clientY - box.top) / box.height];
}

// A drag across the bars paints them all: also those that a quick hand jumped over.
function draw(event) {
  const [layer, height] = place(event);
  const snapped = height < 0.04 ? 0 : height > 0.96 ? 1 : Math.round(height / STEP) * STEP;
  const from = last === null ? layer : last;
  at = layer;
  last = layer;
  const [low, high] = [Math.min(from, layer), Math.max(from, layer)];
  set(weights.map((own, other) => (other >= low && other <= high ? snapped : own)));
}

bars.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  last = null;
  bars.setPointerCapture(event.pointerId);
  draw(event);
  bars.children[at].focus({ preventScroll: true });
});
bars.addEventListener("pointermove", (event) => { if (bars.hasPointerCapture(event.pointerId)) draw(event); });
bars.addEventListener("pointerleave", () => { if (weights.length) find(".readout").textContent = said(at); });
bars.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const beside = { ArrowLeft: at - 1, ArrowRight: at + 1 }[event.key];
  const weight = { ArrowUp: weights[at] + STEP, ArrowDown: weights[at] - STEP, PageUp: weights[at] + 0.25,
    PageDown: weights[at] - 0.25, Home: 0, End: 1 }[event.key];
  if (beside === undefined && weight === undefined) return;
  event.preventDefault();
  if (weight !== undefined) change(at, weight);
  else if (beside >= 0 && beside < weights.length) bars.children[beside].focus();
});

function receive() {
  // An edit that is still to be sent is newer than what comes from the server.
  if (timer === null || props.value.weights.length !== weights.length) {
    weights = [...props.value.weights];
    choice = props.value.choice;
    if (props.value.at !== null) at = props.value.at;
    else if (!drawn) at = Math.floor(weights.length / 2);
  }
  paint();
}

watch("value", receive);
receive();
