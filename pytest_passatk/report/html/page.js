// The page: what is shown now, and what a reader does to change it.

const report = JSON.parse(byId("index").textContent);
const current = { suite: report.suites[0], contrast: null };

function start() {
  byId("command").textContent = visible(report.command);
  facts(byId("run"), report.facts);
  byId("strays").replaceChildren(...report.strays.map(incomparable));
  if (!report.suites.length) return notice("This run has no suite.");
  listen();
  showSuite(report.suites[0]);
}

function notice(text) {
  document.querySelector("main").replaceChildren(make("p", { class: "notice" }, text));
}

function showSuite(suite) {
  current.suite = suite;
  document.title = `${visible(suite.title)} · pass@k`;
  showSuites();
  options(byId("contrast"), [
    ...suite.contrasts.map(({ before }, at) => [at, visible(before)]),
    ["", "nothing"],
  ]);
  byId("against").hidden = !suite.contrasts.length;
  showContrast(suite.contrasts[0] ?? null);
}

function showContrast(contrast) {
  current.contrast = contrast;
  resetFilters(contrast);
  showFilters(current.suite, contrast);
  showFigures(current.suite, contrast);
  showProblems();
}

function showSuites() {
  const rows = report.suites.map((suite) => [suiteButton(suite), visible(suite.model), ...suiteFigures(suite), suiteVerdict(suite)]);
  const heads = ["suite", "model", "problems", "pass@1", "highest k", "verdict"];
  byId("suites").hidden = report.suites.length < 2;
  byId("suites").replaceChildren(table(heads, rows, { class: "numbers" }));
}

function suiteButton(suite) {
  const now = suite === current.suite ? "true" : null;
  return make("button", { type: "button", class: "link", "aria-current": now, onclick: () => switchTo(suite) }, visible(suite.title));
}

function switchTo(suite) {
  showSuite(suite);
  byId("suites").querySelector("[aria-current]").focus();
}

function suiteFigures(suite) {
  const { k, value } = suite.curve;
  const size = `${suite.problems.id.length.toLocaleString("en")} × ${suite.n}`;
  if (!k.length) return [size, "withheld", ""];
  return [size, value[0].toFixed(3), `pass@${k.at(-1)} ${value.at(-1).toFixed(3)}`];
}

function suiteVerdict({ contrasts }) {
  const worst = (contrast) => ["regressed", "inconclusive", "ok", "improved"].find((word) => contrast.decisions.includes(word));
  return make("span", {}, ...contrasts.map((contrast) => verdict(contrast.summary, worst(contrast))));
}

function listen() {
  byId("contrast").addEventListener("change", (event) => {
    showContrast(event.target.value === "" ? null : current.suite.contrasts[event.target.value]);
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("query").addEventListener("input", settled(applyFilters, 150));
  for (const name of ["band", "move", "kind"]) byId(name).addEventListener("change", applyFilters);
  byId("reset").addEventListener("click", () => (resetFilters(current.contrast), showProblems()));
  byId("load-all").addEventListener("click", loadAll);
  listenToProblem();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("resize", settled(fit, 100));
}

function listenToProblem() {
  byId("previous").addEventListener("click", () => turnProblem(-1));
  byId("next").addEventListener("click", () => turnProblem(1));
  byId("close").addEventListener("click", () => byId("problem").close());
  byId("problem").addEventListener("close", closeProblem);
  byId("problem").addEventListener("keydown", (event) => {
    if (event.target.matches("select, input") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") turnProblem(-1);
    if (event.key === "ArrowRight") turnProblem(1);
  });
}

// The colours of charts are drawn, so they change only with the drawing.
function redraw() {
  showFigures(current.suite, current.contrast);
  drawStrip(byId("strip"), current.suite, current.contrast, listed, openProblem);
}

start();
