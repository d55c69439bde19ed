const find = (selector) => element.querySelector(selector);
const bars = find(".bars"), presets = find(".presets"), ticks = find(".ticks");
const SEND_DELAY = 350, STEP = 0.05;

let weights = [];
let choice = "";
let current = 0;
let builtFor = "";
let timer = null;
let lastLayer = null;

const words = () => props.value.words;
const fill = (pattern, values) => pattern.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const hasSignal = (layer) => !props.value.signal || props.value.signal[layer];
const total = () => weights.reduce((sum, weight, layer) => sum + (hasSignal(layer) ? weight : 0), 0);
const same = (first, second) =>
  first.length === second.length && first.every((weight, layer) => Math.abs(weight - second[layer]) < 0.006);

function describe(layer) {
  const share = hasSignal(layer) && total() > 0 ? Math.round((100 * weights[layer]) / total()) : 0;
  return fill(hasSignal(layer) ? words().bar : words().no_signal, { layer, weight: weights[layer].toFixed(2), share });
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
    bar.addEventListener("focus", () => { current = layer; paint(); });
    bar.addEventListener("pointerenter", () => { find(".readout").textContent = describe(layer); });
    return bar;
  }));
  const step = [1, 2, 5, 10].find((size) => weights.length / size <= 12) || 20;
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
      const preset = props.value.presets[name];
      set(preset ? [...preset] : weights.map((_, layer) => (layer === current ? 1 : 0)), preset ? name : "");
    });
    return button;
  }));
}

function paint() {
  find(".profile").dataset.empty = String(!weights.length);
  if (!props.value) return;
  find(".hint").textContent = props.value.note;
  if (!weights.length) return;
  const shape = JSON.stringify([weights.length, Object.keys(props.value.presets)]);
  if (shape !== builtFor) {
    builtFor = shape;
    build();
  }
  current = Math.min(current, weights.length - 1);
  [...bars.children].forEach((bar, layer) => {
    bar.className = hasSignal(layer) ? "bar" : "bar no-signal";
    bar.dataset.current = String(layer === current);
    bar.tabIndex = layer === current ? 0 : -1;
    bar.setAttribute("aria-valuenow", weights[layer].toFixed(2));
    bar.setAttribute("aria-valuetext", describe(layer));
    bar.style.setProperty("--w", weights[layer]);
  });
  const single = weights.filter((weight) => weight > 0).length === 1;
  [...presets.children].forEach((button) => {
    const pressed = button.textContent === words().alone ? single && !choice : button.textContent === choice;
    button.setAttribute("aria-pressed", String(pressed));
  });
  find(".readout").textContent = describe(current);
}

// An edit is sent after a delay, so that a drag counts as one edit.
function send() {
  timer = null;
  props.value = { ...props.value, weights: [...weights], choice };
  trigger("input");
}

function set(next, name) {
  weights = next.map((weight) => Math.round(100 * Math.min(Math.max(weight, 0), 1)) / 100);
  choice = name || Object.keys(props.value.presets).find((preset) => same(props.value.presets[preset], weights)) || "";
  clearTimeout(timer);
  timer = setTimeout(send, SEND_DELAY);
  paint();
}

const change = (changedLayer, weight) => set(weights.map((old, layer) => (layer === changedLayer ? weight : old)));

// Layer and height, 0 to 1, of the pointer.
function pointerPosition(event) {
  const box = bars.getBoundingClientRect();
  const layer = Math.floor(((event.clientX - box.left) / box.width) * weights.length);
  return [Math.min(Math.max(layer, 0), weights.length - 1), 1 - (event.clientY - box.top) / box.height];
}

// A drag sets all bars between the last two pointer positions, because a quick drag skips some of them.
function drag(event) {
  const [layer, height] = pointerPosition(event);
  const snapped = height < 0.04 ? 0 : height > 0.96 ? 1 : Math.round(height / STEP) * STEP;
  const from = lastLayer === null ? layer : lastLayer;
  current = layer;
  lastLayer = layer;
  const [low, high] = [Math.min(from, layer), Math.max(from, layer)];
  set(weights.map((old, index) => (index >= low && index <= high ? snapped : old)));
}

bars.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  lastLayer = null;
  bars.setPointerCapture(event.pointerId);
  drag(event);
  bars.children[current].focus({ preventScroll: true });
});
bars.addEventListener("pointermove", (event) => { if (bars.hasPointerCapture(event.pointerId)) drag(event); });
bars.addEventListener("pointerleave", () => { if (weights.length) find(".readout").textContent = describe(current); });
bars.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const neighbour = { ArrowLeft: current - 1, ArrowRight: current + 1 }[event.key];
  const weight = { ArrowUp: weights[current] + STEP, ArrowDown: weights[current] - STEP, PageUp: weights[current] + 0.25,
    PageDown: weights[current] - 0.25, Home: 0, End: 1 }[event.key];
  if (neighbour === undefined && weight === undefined) return;
  event.preventDefault();
  if (weight !== undefined) change(current, weight);
  else if (neighbour >= 0 && neighbour < weights.length) bars.children[neighbour].focus();
});

function receive() {
  if (!props.value || !props.value.weights) return;  // Gradio may load a component before it gives it its value.
  // An edit that has not been sent yet is newer than the value from the server.
  if (timer === null || props.value.weights.length !== weights.length) {
    weights = [...props.value.weights];
    choice = props.value.choice;
    if (props.value.at !== null) current = props.value.at;
    else if (!builtFor) current = Math.floor(weights.length / 2);
  }
  paint();
}

watch("value", receive);
receive();
