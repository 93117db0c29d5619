// The two charts, drawn by uPlot in the colours of the page.

const charts = new Map(); // figure → its chart

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Draws a chart into a figure, in the place of the one that was there.
function plot(figure, height, settings, data) {
  const place = figure.querySelector(".plot");
  charts.get(figure)?.destroy();
  const size = { width: Math.max(place.clientWidth, 200), height };
  charts.set(figure, new uPlot({ ...size, legend: { show: false }, ...settings }, data, place));
}

function clear(figure) {
  charts.get(figure)?.destroy();
  charts.delete(figure);
  figure.hidden = true;
}

function fit() {
  for (const [figure, chart] of charts) {
    const width = figure.querySelector(".plot").clientWidth;
    if (width && width !== chart.width) chart.setSize({ width, height: chart.height });
  }
}

function axis(settings = {}) {
  const line = { stroke: color("rule"), width: 1 };
  return { stroke: color("quiet"), font: `12px ${color("sans")}`, grid: line, ticks: { show: false }, ...settings };
}

// pass@k by k with intervals. Each curve: {label, color, dash, points}, points being {k, value, low, high}.
function drawCurves(figure, curves, level) {
  const ks = curves[0]?.points.k ?? [];
  if (ks.length < 2) return clear(figure);
  figure.hidden = false;
  const data = [ks, ...curves.flatMap(({ points }) => [points.value, points.low, points.high])];
  const settings = {
    scales: { x: { time: false, distr: 3, log: 2, range: [1, ks.at(-1)] }, y: { range: shareRange(data.slice(1)) } },
    axes: [axis({ size: 30, splits: () => powers(ks.at(-1)), values: (_, splits) => splits }), axis({ size: 44, values: asShares })],
    series: [{}, ...curves.flatMap(curveSeries)],
    bands: curves.map(({ color: name }, at) => ({ series: [3 * at + 3, 3 * at + 2], fill: color(`${name}-band`), dir: 0 })),
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    hooks: { setCursor: [(chart) => captionCurves(figure, curves, level, chart.cursor.idx)] },
  };
  figure.querySelector(".plot").setAttribute("aria-label", `pass@k for k from 1 to ${ks.at(-1)}; the tables have the numbers`);
  captionCurves(figure, curves, level, null);
  plot(figure, 260, settings, data);
}

function curveSeries({ color: name, dash }) {
  const edge = { stroke: "transparent", points: { show: false } };
  return [{ stroke: color(name), width: 2, dash, points: { show: false } }, edge, edge];
}

function captionCurves(figure, curves, level, place) {
  const keys = curves.map(({ label, color: name, dash, points }) => {
    const at = place ?? points.k.length - 1;
    const numbers = `${points.value[at].toFixed(3)} (${points.low[at].toFixed(3)} – ${points.high[at].toFixed(3)})`;
    const sign = make("i", { class: dash ? "key dashed" : "key", "data-color": name });
    return make("span", {}, sign, `${visible(label)} `, make("b", {}, numbers));
  });
  const k = curves[0].points.k[place ?? curves[0].points.k.length - 1];
  figure.querySelector("figcaption").replaceChildren(make("span", {}, `pass@${k}, ±run ${level}`), ...keys);
}

function shareRange(columns) {
  const values = columns.flat().filter(Number.isFinite);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const room = Math.max(0.02, (high - low) * 0.08);
  return [Math.max(0, low - room), Math.min(1, high + room)];
}

function powers(last) {
  const found = [];
  for (let k = 1; k <= last; k *= 2) found.push(k);
  return found;
}

function asShares(_, splits) {
  return splits.map((value) => Number(value.toFixed(3)).toString());
}

// The share solved of the problems that are listed, in their order, the baseline's beside it.
function drawStrip(figure, suite, contrast, positions, open) {
  if (positions.length < 2) return clear(figure);
  figure.hidden = false;
  const places = [...positions, positions.at(-1)]; // the last step needs an end
  const now = places.map((at) => (suite.problems.n[at] ? share(suite, at) : null));
  const before = places.map((at) => (contrast?.counts[at] ? shareBefore(contrast, at) : null));
  const stepped = uPlot.paths.stepped({ align: 1 });
  const base = { paths: stepped, points: { show: false } };
  const settings = {
    scales: { x: { time: false, range: [0, positions.length] }, y: { range: [0, 1.02] } },
    axes: [{ show: false }, axis({ size: 44, space: 30, values: asShares })],
    series: [
      {},
      { ...base, stroke: color("after"), fill: color("after-band"), width: 1 },
      { ...base, stroke: color("before"), width: 1, dash: [3, 2], show: Boolean(contrast) },
    ],
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    hooks: { setCursor: [(chart) => captionStrip(figure, suite, contrast, positions, chart.cursor)] },
  };
  captionStrip(figure, suite, contrast, positions, { left: -1 });
  plot(figure, 92, settings, [places.map((_, place) => place), now, before]);
  const chart = charts.get(figure);
  chart.over.addEventListener("click", () => open(positions[placeIn(positions, chart, chart.cursor.left)]));
}

function placeIn(positions, chart, left) {
  return Math.max(0, Math.min(positions.length - 1, Math.floor(chart.posToVal(left, "x"))));
}

function captionStrip(figure, suite, contrast, positions, cursor) {
  const caption = figure.querySelector("figcaption");
  if (cursor.left < 0) {
    const sides = contrast ? `, dashed: ${visible(contrast.before)}` : "";
    caption.replaceChildren(`share solved, in the order of the list${sides}`);
    return;
  }
  const at = positions[placeIn(positions, charts.get(figure), cursor.left)];
  caption.replaceChildren(make("b", {}, visible(suite.problems.id[at])), ` ${solvedText(suite, at)}${beforeText(contrast, at)}`);
}

function solvedText(suite, at) {
  return `${suite.problems.c[at]}/${suite.problems.n[at]}`;
}

function beforeText(contrast, at) {
  const counts = contrast?.counts[at];
  return counts ? `, before ${counts[0]}/${counts[1]}${contrast.kinds[at] ? `, ${contrast.kinds[at]}` : ""}` : "";
}
