// Plotly measures a figure's place when the window changes, which can be while the sidebar is still moving, and not again.
// So every figure is watched, also one that is hidden at that moment, and fitted when its place has come to rest.
() => {
  const figures = () => document.querySelectorAll(".js-plotly-plot");
  const watched = new WeakSet();
  let rest;

  function fit(figure) {
    const { clientWidth, _fullLayout } = figure;
    if (clientWidth && _fullLayout && Math.abs(clientWidth - _fullLayout.width) > 1) window.Plotly.Plots.resize(figure);
  }

  const places = new ResizeObserver(() => {
    clearTimeout(rest);
    rest = setTimeout(() => figures().forEach(fit), 150);
  });

  new MutationObserver(() => {
    for (const figure of figures()) {
      if (watched.has(figure)) continue;
      watched.add(figure);
      places.observe(figure);
    }
  }).observe(document.body, { childList: true, subtree: true });
};
