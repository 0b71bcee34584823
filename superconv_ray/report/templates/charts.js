// Charts: drawn when they come near the viewport, as wide as the page, in its colors.
const NARROW = 560; // px; narrower pages have panels in one column and legends above the chart
const AXES = 70; // px; first guess of the width of axes and legends
const THIN = 240; // px; panels side by side are at least this wide

const data = JSON.parse(document.getElementById("report-data").textContent);
const figures = [...document.querySelectorAll("[data-chart]")];
const charts = new Map(); // figure -> {view, axes, busy}

const drawingOf = (figure) => figure.querySelector(".drawing");
const isDark = () => document.documentElement.dataset.theme === "dark";

/** Sets the width of every view of a chart. */
function fit(spec, width, page) {
  const facet = spec.encoding?.facet ?? (spec.facet && spec);
  const wanted = facet?.columns ?? 1;
  const columns = page < NARROW ? 1 : Math.max(1, Math.min(wanted, Math.floor(width / THIN)));
  if (spec.vconcat) spec.vconcat.forEach((part) => fit(part, width, page));
  else if (spec.spec) fit(spec.spec, width / columns, page);
  else spec.width = Math.max(120, width / columns);
  if (facet) facet.columns = columns;
}

async function drawOnce(figure, chart) {
  const drawing = drawingOf(figure);
  const room = drawing.clientWidth;
  const theme = data.themes[isDark() ? "dark" : "light"];
  const legend = room < NARROW ? { ...theme.legend, orient: "top", columns: 2 } : theme.legend;
  const spec = structuredClone(data.charts[figure.dataset.chart]);
  fit(spec, room - chart.axes, room);
  chart.view?.finalize();
  const { view } = await vegaEmbed(drawing, spec, {
    ast: true, // expressions are interpreted, so the page need not allow eval
    actions: false,
    defaultStyle: false,
    renderer: "svg",
    config: { ...theme, legend, background: getComputedStyle(document.body).backgroundColor },
    tooltip: { theme: isDark() ? "dark" : "light" },
  });
  chart.view = view;
  return drawing.querySelector("svg").getBoundingClientRect().width - room;
}

/** Draws a chart, and again if the guess of the width of axes and legends was wrong. */
async function drawNow(figure, chart) {
  const drawing = drawingOf(figure);
  drawing.style.minHeight = `${drawing.offsetHeight}px`; // keeps the page from jumping
  delete figure.dataset.drawn;
  const excess = await drawOnce(figure, chart);
  if (excess > 0 || excess < -8) {
    chart.axes += excess;
    await drawOnce(figure, chart);
  }
  drawing.style.minHeight = "";
  figure.dataset.drawn = isDark() ? "dark" : "light";
}

function draw(figure) {
  if (!charts.has(figure)) charts.set(figure, { axes: AXES, busy: Promise.resolve() });
  const chart = charts.get(figure);
  chart.busy = chart.busy
    .then(() => drawNow(figure, chart))
    .catch((error) => {
      drawingOf(figure).textContent = `This chart cannot be drawn: ${error.message}`;
      throw error;
    });
  return chart.busy;
}

const redraw = () => Promise.all([...charts.keys()].map(draw));

function drawWhenNear() {
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting && !charts.has(target)) draw(target);
      }
    },
    { rootMargin: "400px" },
  );
  figures.forEach((figure) => observer.observe(figure));
}

/** Redraws once the width of the page has changed and is stable. */
function drawAgainOnResize() {
  let width = document.body.clientWidth;
  let rest;
  new ResizeObserver(() => {
    if (document.body.clientWidth === width) return;
    width = document.body.clientWidth;
    clearTimeout(rest);
    rest = setTimeout(redraw, 150);
  }).observe(document.body);
}

function save(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function saveChart(figure, kind) {
  const name = `${data.study}-${figure.dataset.chart}.${kind}`;
  if (kind === "csv") return saveTable(figure.dataset.chart, data.tables[figure.dataset.chart].rows);
  await draw(figure);
  const { view } = charts.get(figure);
  if (kind === "svg") return save(name, await view.toSVG(), "image/svg+xml");
  const canvas = await view.toCanvas(2);
  canvas.toBlob((image) => save(name, image, "image/png"));
}

for (const button of document.querySelectorAll("[data-save]")) {
  button.addEventListener("click", () => saveChart(button.closest("figure"), button.dataset.save));
}
