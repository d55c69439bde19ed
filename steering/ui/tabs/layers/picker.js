const inputs = ["parent", "child"].map((name) => element.querySelector("." + name));
const STILL = 4;

let pressed = null;

// Gradio may load the fields before it gives them their value.
const given = () => ({ sizes: [Infinity, Infinity], pair: [0, 0], ...props.value });

function paint() {
  const { sizes, pair } = given();
  inputs.forEach((input, side) => {
    input.max = sizes[side] - 1;
    if (document.activeElement !== input) input.value = pair[side];
  });
}

function choose(pair) {
  const { sizes, pair: earlier } = given();
  const inside = pair.every((layer, side) => Number.isInteger(layer) && layer >= 0 && layer < sizes[side]);
  if (!inside || pair.every((layer, side) => layer === earlier[side])) return;
  props.value = { ...props.value, pair };
  paint();
  moveFrame(document.querySelector("#plot .js-plotly-plot"));
  trigger("input");
}

// Moves the frame around the chosen cell. The figure is not redrawn: that would be slow and make the page flicker.
function moveFrame(plot) {
  const shapes = plot && window.Plotly && plot.layout && plot.layout.shapes;
  if (!shapes || !shapes.length) return;
  const [parent, child] = given().pair;
  const box = { x0: child - 0.5, x1: child + 0.5, y0: parent - 0.5, y1: parent + 0.5 };
  if (Object.entries(box).every(([side, value]) => shapes[0][side] === value)) return;
  window.Plotly.relayout(plot, { shapes: shapes.map((shape) => ({ ...shape, ...box })) });
}

// The cell of the map below a pointer, or null. The axes of the figure are read anew each time.
function cellAt({ clientX, clientY }) {
  const plot = document.querySelector("#plot .js-plotly-plot"), layout = plot && plot._fullLayout;
  if (!layout || !layout.xaxis) return null;
  const box = plot.getBoundingClientRect();
  const x = clientX - box.left - layout.xaxis._offset, y = clientY - box.top - layout.yaxis._offset;
  if (x < 0 || y < 0 || x > layout.xaxis._length || y > layout.yaxis._length) return null;
  return [Math.round(layout.yaxis.p2d(y)), Math.round(layout.xaxis.p2d(x))];
}

// Plotly's own click event is lost when the figure is redrawn between press and release, as after a change of its size. So a
// click is recognised here: press and release at one place of the figure, which may be another element by then.
document.addEventListener("pointerdown", (event) => {
  const inside = event.button === 0 && event.target.closest && event.target.closest("#plot .nsewdrag");
  pressed = inside ? { x: event.clientX, y: event.clientY } : null;
}, true);
document.addEventListener("pointerup", (event) => {
  const still = pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) <= STILL;
  const cell = still && cellAt(event);
  pressed = null;
  if (cell) choose(cell);
}, true);
document.addEventListener("pointerover", ({ target }) => {
  if (target.closest && target.closest("#plot")) moveFrame(document.querySelector("#plot .js-plotly-plot"));
}, true);
for (const input of inputs) {
  input.addEventListener("input", () => {
    if (input.value.trim()) choose(inputs.map(({ value }) => Number(value)));
  });
  input.addEventListener("blur", paint);
}
watch("value", paint);
paint();
