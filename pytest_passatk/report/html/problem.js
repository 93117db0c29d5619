// One problem, opened: its prompt and its samples.

const MARKS = { pass: "✓", fail: "✗", timeout: "◷", error: "!", skip: "–" };
const SHOWN = 20_000; // characters of a text that are laid out before somebody asks for the rest
let opened = -1; // position of the problem that is open

async function openProblem(at) {
  const { suite, contrast } = current;
  opened = at;
  byId("problem-title").textContent = visible(suite.problems.id[at]);
  byId("problem-line").textContent = problemLine(suite, contrast, at);
  byId("problem-body").replaceChildren(make("p", { class: "quiet" }, "Loading …"));
  byId("previous").disabled = neighbour(-1) === undefined;
  byId("next").disabled = neighbour(1) === undefined;
  if (!byId("problem").open) byId("problem").showModal();
  const content = await textsOf(suite, at).then((problem) => body(problem), (error) => [make("p", { class: "notice" }, error.message)]);
  if (opened === at && suite === current.suite) byId("problem-body").replaceChildren(...content);
}

function problemLine(suite, contrast, at) {
  const extra = kindsOf(suite, at);
  return `${solvedText(suite, at)} solved${beforeText(contrast, at)}${extra ? ` · ${extra}` : ""}`;
}

function neighbour(step) {
  const place = listed.indexOf(opened);
  return place < 0 ? undefined : listed[place + step];
}

function turnProblem(step) {
  const at = neighbour(step);
  if (at !== undefined) openProblem(at);
}

function closeProblem() {
  if (byId("problem").open) return; // the browser tells of it late, when the next may be open
  const row = byId("list").querySelector(`[data-position="${opened}"] button`);
  opened = -1;
  byId("problem-body").replaceChildren();
  row?.focus();
}

function body(problem) {
  const list = make("div", { class: "samples" });
  const choice = make("select", { id: "shown-samples", onchange: () => showSamples(list, problem, choice.value) });
  options(choice, sampleChoices(problem));
  choice.value = startingChoice(problem);
  showSamples(list, problem, choice.value);
  const label = make("label", {}, "Samples ", choice);
  return [promptBlock(problem.prompt), make("div", { class: "bar-of-tools" }, label), list];
}

function sampleChoices({ samples }) {
  const matches = matcher(wanted.query);
  const kinds = ["pass", ...Object.keys(SAMPLES)].map((kind) => [kind, samples.filter((one) => isOfKind(one, kind)).length]);
  const hits = matches ? samples.filter((one) => sampleMatches(one, matches)).length : 0;
  return [
    ["", `all (${samples.length})`],
    ...(hits ? [["query", `with “${visible(wanted.query)}” (${hits})`]] : []),
    ...kinds.filter(([, number]) => number).map(([kind, number]) => [kind, `${SAMPLES[kind] ?? kind} (${number})`]),
  ];
}

// What the list is filtered by, where it finds something here.
function startingChoice(problem) {
  const found = sampleChoices(problem).map(([value]) => value);
  return found.includes("query") ? "query" : found.includes(wanted.kind) ? wanted.kind : "";
}

function showSamples(list, { samples }, choice) {
  const matches = matcher(wanted.query);
  const kept = samples.filter((one) => !choice || (choice === "query" ? sampleMatches(one, matches) : isOfKind(one, choice)));
  list.replaceChildren(...kept.map(sampleBlock));
}

function promptBlock(prompt) {
  const messages = typeof prompt === "string" ? [{ role: "prompt", content: prompt }] : prompt;
  return make(
    "section",
    { class: "prompt", "aria-label": "Prompt" },
    ...messages.flatMap(({ role, content }) => [make("h3", {}, visible(role)), ...textBlock(content)]),
  );
}

// A sample as one line, and whole as soon as it is opened.
function sampleBlock(sample) {
  const block = make("details", { class: "sample", "data-index": sample.index, ontoggle: fill }, sampleLine(sample));
  function fill() {
    if (block.open && block.childElementCount === 1) block.append(...sampleParts(sample));
  }
  return block;
}

function sampleLine(sample) {
  const status = make("span", { class: "status", "data-status": sample.status }, `${MARKS[sample.status]} ${sample.status}`);
  const answer = sample.answer === null ? sample.text.trim().slice(-80) : sample.answer.slice(0, 80);
  const gist = make("span", { class: sample.answer === null ? "gist quiet" : "gist" }, make("bdi", {}, visible(answer)));
  const remarks = [`${sample.tokens.toLocaleString("en")} tokens`, sample.finish === "length" && "truncated", sample.forgeable && "forgeable"];
  return make("summary", {}, make("span", { class: "index" }, `#${sample.index}`), status, gist,
    make("span", { class: "quiet" }, remarks.filter(Boolean).join(" · ")));
}

function sampleParts(sample) {
  const part = (title, text) => (text ? [make("h4", {}, title), ...textBlock(text)] : []);
  return [
    ...part("answer", sample.answer),
    ...part("reason", sample.reason),
    ...part("the model could not answer", sample.problem),
    make("h4", {}, `text, ended by ${sample.finish}, ${sample.seconds.toFixed(2)} s`),
    ...textBlock(sample.text || "(empty)"),
  ];
}

// Foreign text as text; the rest of a very long one on demand.
function textBlock(text) {
  const block = make("pre", { dir: "auto", tabindex: "0" }, visible(text.slice(0, SHOWN), "\n\t"));
  if (text.length <= SHOWN) return [block];
  const more = make("button", { type: "button" }, `Show all ${text.length.toLocaleString("en")} characters`);
  more.addEventListener("click", () => {
    block.textContent = visible(text, "\n\t");
    more.remove();
  });
  return [block, more];
}
