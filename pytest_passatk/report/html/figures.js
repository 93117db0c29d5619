// The figures of one suite: estimates, curves, the verdicts of its gate.

const ARROWS = { improved: "▲", ok: "✓", regressed: "▼", inconclusive: "?" };
const CURVES = [
  { color: "before", dash: [6, 4] },
  { color: "after", dash: null },
];

// A verdict with its sign, in its colour.
function verdict(words, decision, gated = true) {
  const sign = decision && gated ? `${ARROWS[decision]} ` : "";
  return make("span", { class: "verdict", "data-decision": decision && gated ? decision : null }, sign + visible(words));
}

function showFigures(suite, contrast) {
  byId("suite-title").textContent = visible(suite.title);
  byId("suite-line").textContent = suiteLine(suite);
  byId("withheld").hidden = !suite.withheld;
  byId("withheld").textContent = suite.withheld ? `pass@k withheld: ${visible(suite.withheld)}` : "";
  byId("remarks").replaceChildren(...suite.remarks.map((remark) => make("p", { class: "note" }, visible(remark))));
  showEstimates(suite);
  byId("verdicts").replaceChildren(...(contrast ? verdictBlocks(contrast) : []));
  drawCurves(byId("curve"), curvesOf(suite, contrast), contrast?.lines.length ? contrast.level : suite.level);
  showEveryK(curvesOf(suite, contrast));
  facts(byId("settings").querySelector("dl"), suite.facts);
}

function suiteLine(suite) {
  const size = `${count(suite.problems.id.length, "problem")} × ${suite.n.toLocaleString("en")}`;
  const solved = `${suite.solved.toLocaleString("en")} of ${suite.judged.toLocaleString("en")} samples solved`;
  return [visible(suite.model), size, solved].join(" · ");
}

function showEstimates(suite) {
  const heads = ["", "", `±run ${suite.level}`, `±population ${suite.level}`];
  const rows = suite.estimates.map(([metric, value, ...intervals]) => [metric, make("b", {}, value), ...intervals]);
  byId("estimates").replaceChildren(...(rows.length ? [table(heads, rows, { class: "numbers" })] : []));
}

function curvesOf(suite, contrast) {
  const sides = contrast?.lines.length
    ? [contrast.before, contrast.after].map((label, side) => ({ label, points: contrast.curves[side], ...CURVES[side] }))
    : [{ label: "this run", points: suite.curve, ...CURVES[1] }];
  return sides.filter(({ points }) => points.k.length).map(withinShortest);
}

// Curves share their k's: those that every one of them has.
function withinShortest(curve, _, curves) {
  const ks = curve.points.k.filter((k) => curves.every((each) => each.points.k.includes(k)));
  const places = ks.map((k) => curve.points.k.indexOf(k));
  const take = (column) => places.map((place) => column[place]);
  const { value, low, high } = curve.points;
  return { ...curve, points: { k: ks, value: take(value), low: take(low), high: take(high) } };
}

function showEveryK(curves) {
  const place = byId("every-k");
  place.hidden = !curves.length;
  if (!curves.length) return;
  const heads = ["k", ...curves.flatMap(({ label }) => [visible(label), "±run"])];
  const rows = curves[0].points.k.map((k, at) => [`${k}`, ...curves.flatMap(({ points }) => cellsAt(points, at))]);
  place.querySelector("div").replaceChildren(table(heads, rows, { class: "numbers" }));
}

function cellsAt({ value, low, high }, at) {
  return [make("b", {}, value[at].toFixed(3)), `${low[at].toFixed(3)} – ${high[at].toFixed(3)}`];
}

function verdictBlocks(contrast) {
  const against = `${visible(contrast.after)} against ${visible(contrast.before)}`;
  return [
    make("h3", {}, `${against} · ${contrast.size}`),
    ...contrast.incomparable.map(incomparable),
    contrast.lines.length ? make("div", { class: "wide" }, lineTable(contrast)) : "",
    contrast.pace.length ? make("div", { class: "wide" }, paceTable(contrast)) : "",
    ...contrast.remarks.map((remark) => make("p", {}, visible(remark))),
    ...contrast.notes.map((note) => make("p", { class: "note" }, `note: ${visible(note)}`)),
    contrast.moved ? make("p", {}, `problems: ${contrast.moved}`) : "",
  ].filter(Boolean);
}

function incomparable(reason) {
  return make("p", { class: "notice" }, `incomparable: ${visible(reason)}`);
}

function lineTable({ level, lines }) {
  const heads = ["metric", "before", "after", "change, pp", `${level} interval`, "p", "p beyond", "finds, pp", "tolerates", "verdict"];
  const rows = lines.map((line) => [
    line.metric, line.before, make("b", {}, line.after), line.change, line.interval, line.p, line.generalises, line.finds,
    line.tolerated, verdict(line.verdict, line.decision, line.gated),
  ]);
  const shown = table(heads, rows, { class: "numbers" });
  const meanings = {
    p: "one-sided, in the direction of the change, adjusted for the gated figures",
    "p beyond": "whether other problems of the kind would move so",
    "finds, pp": "the smallest drop found with a power of 80 %",
  };
  for (const head of shown.querySelectorAll("thead th")) head.title = meanings[head.textContent] ?? "";
  return shown;
}

function paceTable({ pace }) {
  const heads = ["speed", "before", "after", "change", "tolerates", "verdict"];
  const rows = pace.map((line) => [
    line.metric, line.before ?? "?", line.after ?? "?", line.change, line.tolerated, verdict(line.verdict, line.decision),
  ]);
  return table(heads, rows, { class: "numbers" });
}
