// Which problems and samples a reader asked for.

const BANDS = { never: (c) => c === 0, sometimes: (c, n) => c > 0 && c < n, always: (c, n) => c === n && n > 0 };
const MOVES = ["broken", "regressed", "flaky", "new", "improved"]; // from bad to good
const SAMPLES = {
  fail: "fail",
  timeout: "timeout",
  error: "error",
  skip: "skip",
  truncated: "truncated",
  unanswered: "no answer",
  forgeable: "forgeable",
};

// A test for texts that hold the query, upper and lower case alike; null for an empty query.
function matcher(query) {
  if (!query) return null;
  const pattern = new RegExp(query.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "i");
  return (text) => pattern.test(text);
}

// The positions of the problems that pass every filter, in the order asked for.
function select(suite, contrast, wanted) {
  const matches = matcher(wanted.query);
  const positions = suite.problems.id.map((_, position) => position);
  const kept = positions.filter(
    (at) =>
      inBand(suite, at, wanted.band) &&
      hasMoved(contrast, at, wanted.move) &&
      (!wanted.kind || suite.problems[wanted.kind][at] > 0) &&
      (!matches || matches(suite.problems.id[at]) || textsMatch(knownTexts(suite, at), matches)),
  );
  return sorted(kept, suite, contrast, wanted.order, wanted.descending);
}

function inBand(suite, at, band) {
  const { state, c, n } = suite.problems;
  return !band || (state[at] === "complete" && BANDS[band](c[at], n[at]));
}

function hasMoved(contrast, at, move) {
  return !move || contrast?.kinds[at] === move;
}

function textsMatch(problem, matches) {
  return Boolean(problem) && (matches(promptText(problem.prompt)) || problem.samples.some((one) => sampleMatches(one, matches)));
}

function sampleMatches(sample, matches) {
  return matches(sample.text) || matches(sample.reason) || (sample.answer !== null && matches(sample.answer));
}

function promptText(prompt) {
  return typeof prompt === "string" ? prompt : prompt.map((message) => message.content).join("\n");
}

// Whether a sample is of a kind: a verdict, or one of the things that can be wrong beside it.
function isOfKind(sample, kind) {
  if (kind === "truncated") return sample.finish === "length";
  if (kind === "unanswered") return sample.answer === null && ["pass", "fail"].includes(sample.status);
  if (kind === "forgeable") return sample.forgeable;
  return sample.status === kind;
}

function sorted(positions, suite, contrast, order, descending) {
  const compare = { id: byName(suite), solved: bySolved(suite), move: byMove(suite, contrast) }[order];
  const sign = descending ? -1 : 1;
  return positions.sort((a, b) => sign * compare(a, b) || a - b);
}

function byName(suite) {
  const names = new Intl.Collator("en", { numeric: true });
  return (a, b) => names.compare(suite.problems.id[a], suite.problems.id[b]);
}

function bySolved(suite) {
  return (a, b) => share(suite, a) - share(suite, b);
}

// Broken first, and of one kind the largest fall.
function byMove(suite, contrast) {
  const change = (at) => share(suite, at) - shareBefore(contrast, at);
  const rank = (at) => {
    const kind = contrast?.kinds[at];
    return kind ? MOVES.indexOf(kind) : contrast?.counts[at] ? MOVES.indexOf("flaky") + 0.5 : MOVES.length;
  };
  return (a, b) => rank(a) - rank(b) || change(a) - change(b) || share(suite, a) - share(suite, b);
}

function share(suite, at) {
  const { c, n } = suite.problems;
  return n[at] ? c[at] / n[at] : 0;
}

function shareBefore(contrast, at) {
  const counts = contrast?.counts[at];
  return counts && counts[1] ? counts[0] / counts[1] : 0;
}
