// Plotly resizes a figure only when the window changes, which may be while the sidebar is still sliding. So the size of every
// figure is observed, including hidden ones, and the figure is fitted once its size has been constant for 150 ms.
() => {
  const figures = () => document.querySelectorAll(".js-plotly-plot");
  const observed = new WeakSet();
  let timer;

  function fit(figure) {
    const { clientWidth, _fullLayout } = figure;
    if (clientWidth && _fullLayout && Math.abs(clientWidth - _fullLayout.width) > 1) window.Plotly.Plots.resize(figure);
  }

  const sizes = new ResizeObserver(() => {
    clearTimeout(timer);
    timer = setTimeout(() => figures().forEach(fit), 150);
  });

  new MutationObserver(() => {
    for (const figure of figures()) {
      if (observed.has(figure)) continue;
      observed.add(figure);
      sizes.observe(figure);
    }
  }).observe(document.body, { childList: true, subtree: true });
};
