// The list of problems: filtered, sorted, a page at a time.

const PAGE = 100;
const wanted = { query: "", band: "", move: "", kind: "", order: "solved", descending: false };
let listed = []; // positions of the problems that pass the filters, in order
let shownPage = 0;

function showFilters(suite, contrast) {
  const { c, n, state } = suite.problems;
  const inside = (band) => c.filter((_, at) => state[at] === "complete" && BANDS[band](c[at], n[at])).length;
  const having = (kind) => suite.problems[kind].filter((number) => number > 0).length;
  const moved = (kind) => contrast.kinds.filter((each) => each === kind).length;
  options(byId("band"), [["", "any"], ...Object.keys(BANDS).map((band) => [band, `${band} (${inside(band)})`])]);
  const kinds = Object.keys(SAMPLES).filter((kind) => kind === "fail" || having(kind));
  options(byId("kind"), [["", "any"], ...kinds.map((kind) => [kind, `${SAMPLES[kind]} (${having(kind)})`])]);
  byId("move-filter").hidden = !contrast;
  options(byId("move"), [["", "any"], ...(contrast ? MOVES.map((kind) => [kind, `${kind} (${moved(kind)})`]) : [])]);
}

function resetFilters(contrast) {
  Object.assign(wanted, { query: "", band: "", move: "", kind: "", order: contrast ? "move" : "solved", descending: false });
  for (const name of ["query", "band", "move", "kind"]) byId(name).value = "";
}

function applyFilters() {
  for (const name of ["query", "band", "move", "kind"]) wanted[name] = byId(name).value;
  showProblems();
}

function showProblems() {
  listed = select(current.suite, current.contrast, wanted);
  shownPage = 0;
  byId("found").textContent = `${listed.length.toLocaleString("en")} of ${count(current.suite.problems.id.length, "problem")}`;
  showLoadAll();
  drawStrip(byId("strip"), current.suite, current.contrast, listed, openProblem);
  showPage();
}

function showPage() {
  const rows = listed.slice(shownPage * PAGE, (shownPage + 1) * PAGE).map((at) => row(current.suite, current.contrast, at));
  byId("list").tHead.replaceChildren(headRow());
  byId("list").tBodies[0].replaceChildren(...rows);
  showPager(Math.ceil(listed.length / PAGE));
}

function headRow() {
  const columns = [["id", "problem"], ["solved", "solved"], current.contrast && ["move", "move"]].filter(Boolean);
  const sort = wanted.descending ? "descending" : "ascending";
  const heads = columns.map(([order, text]) => {
    const now = wanted.order === order;
    const sign = now ? (wanted.descending ? " ▼" : " ▲") : "";
    const button = make("button", { type: "button", class: "link", onclick: () => sortBy(order) }, text + sign);
    return make("th", { scope: "col", "aria-sort": now ? sort : null }, button);
  });
  return make("tr", {}, ...heads, make("th", { scope: "col" }, "samples"));
}

function sortBy(order) {
  wanted.descending = wanted.order === order && !wanted.descending;
  wanted.order = order;
  showProblems();
  byId("list").tHead.querySelector("[aria-sort] button").focus();
}

function row(suite, contrast, at) {
  const id = visible(suite.problems.id[at]);
  const opener = make("button", { type: "button", class: "link id", onclick: () => openProblem(at) }, id);
  return make(
    "tr",
    { "data-position": at },
    make("th", { scope: "row" }, opener),
    make("td", {}, bar(suite, contrast, at)),
    contrast && make("td", { class: "moved" }, move(contrast, at)),
    make("td", { class: "quiet kinds" }, kindsOf(suite, at)),
  );
}

// c of n as a bar, the baseline's share as a mark on it.
function bar(suite, contrast, at) {
  const track = make("span", { class: "bar", "aria-hidden": "true" }, make("i", {}));
  track.style.setProperty("--solved", share(suite, at));
  if (contrast?.counts[at]) {
    track.append(make("s", {}));
    track.style.setProperty("--solved-before", shareBefore(contrast, at));
  }
  return make("span", { class: "solved" }, track, make("span", { class: "of" }, solvedText(suite, at)));
}

function move(contrast, at) {
  const counts = contrast.counts[at];
  if (!counts) return make("span", { class: "quiet" }, "not compared");
  const before = make("span", { class: "quiet" }, ` from ${counts[0]}/${counts[1]}`);
  const kind = contrast.kinds[at];
  if (!kind) return make("span", {}, make("span", { class: "quiet" }, "same"), before);
  const sign = { broken: "▼▼", regressed: "▼", flaky: "~", new: "▲▲", improved: "▲" }[kind];
  const chance = kind === "flaky" ? "" : `, p ${contrast.chances[at]}`;
  const word = make("span", { class: "move", "data-kind": kind }, `${sign} ${kind}`);
  return make("span", {}, word, before, make("span", { class: "quiet" }, chance));
}

function kindsOf(suite, at) {
  const found = Object.keys(SAMPLES).filter((kind) => kind !== "fail" && suite.problems[kind][at] > 0);
  const words = found.map((kind) => `${suite.problems[kind][at]} ${SAMPLES[kind]}`);
  if (suite.problems.state[at] === "incomplete") words.unshift("incomplete");
  return words.join(" · ");
}

function showPager(pages) {
  const turn = (step, text) => {
    const to = shownPage + step;
    return make("button", { type: "button", disabled: to < 0 || to >= pages, onclick: () => turnTo(to) }, text);
  };
  const where = make("span", {}, `page ${shownPage + 1} of ${pages}`);
  byId("pages").replaceChildren(...(pages > 1 ? [turn(-1, "← Previous"), where, turn(1, "Next →")] : []));
}

function turnTo(page) {
  shownPage = page;
  showPage();
  byId("list").scrollIntoView();
}

function showLoadAll() {
  const left = current.suite.chunks.filter(([, name]) => !loaded.has(name));
  const button = byId("load-all");
  button.hidden = !left.length;
  button.textContent = "Load all texts, to search them";
}

async function loadAll() {
  const { suite } = current;
  const button = byId("load-all");
  button.disabled = true;
  try {
    for (const [done, [, name]] of suite.chunks.entries()) {
      button.textContent = `Loading ${done + 1} of ${suite.chunks.length} …`;
      await load(name);
    }
    if (suite === current.suite) showProblems();
  } catch (error) {
    byId("found").textContent = error.message;
  } finally {
    button.disabled = false;
  }
}
