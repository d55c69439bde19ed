const inputs = ["parent", "child"].map((name) => element.querySelector("." + name));
const connectedPlots = new WeakMap();

function paint() {
  const { sizes, pair } = props.value;
  inputs.forEach((input, side) => {
    input.max = sizes[side] - 1;
    if (document.activeElement !== input) input.value = pair[side];
  });
}

function choose(pair) {
  const { sizes } = props.value;
  const inside = pair.every((layer, side) => Number.isInteger(layer) && layer >= 0 && layer < sizes[side]);
  if (!inside || pair.every((layer, side) => layer === props.value.pair[side])) return;
  props.value = { ...props.value, pair };
  paint();
  moveFrame(document.querySelector("#plot .js-plotly-plot"));
  trigger("input");
}

// Moves the frame around the chosen cell. The figure is not redrawn: that would be slow and make the page flicker.
function moveFrame(plot) {
  const shapes = plot && window.Plotly && plot.layout && plot.layout.shapes;
  if (!shapes || !shapes.length) return;
  const [parent, child] = props.value.pair;
  const box = { x0: child - 0.5, x1: child + 0.5, y0: parent - 0.5, y1: parent + 0.5 };
  if (Object.entries(box).every(([side, value]) => shapes[0][side] === value)) return;
  window.Plotly.relayout(plot, { shapes: shapes.map((shape) => ({ ...shape, ...box })) });
}

// Gradio may replace or redraw the plot at any time, so its click event is connected when the pointer enters or presses it.
// Redrawing gives a plot a new `on` and forgets the earlier handlers.
function connectPlot(event) {
  const plot = event.target.closest && event.target.closest("#plot .js-plotly-plot");
  if (!plot || !plot.on || connectedPlots.get(plot) === plot.on) return;
  connectedPlots.set(plot, plot.on);
  plot.on("plotly_click", ({ points }) => choose([points[0].y, points[0].x]));
  moveFrame(plot);
}

for (const name of ["pointerover", "pointerdown"]) document.addEventListener(name, connectPlot, true);
for (const input of inputs) {
  input.addEventListener("input", () => {
    if (input.value.trim()) choose(inputs.map(({ value }) => Number(value)));
  });
  input.addEventListener("blur", paint);
}
watch("value", paint);
paint();
