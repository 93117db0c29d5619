// Elements. Text goes into the page as text only: nothing here reads markup, and no address comes out of data.

// Controls, lone surrogates, separators that pass for new lines, and signs that turn the direction of writing.
const HIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

function byId(id) {
  return document.getElementById(id);
}

// An element with attributes, of which `on…` are listeners, and children: elements or text.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

// Text with every sign that a reader could not see, or that would mislead one, written as its escape.
function visible(text, kept = "") {
  return text.replace(HIDDEN, (sign) => (kept.includes(sign) ? sign : escaped(sign)));
}

function escaped(sign) {
  const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[sign];
  return short ?? "\\u" + sign.charCodeAt(0).toString(16).padStart(4, "0");
}

// A table of texts; a row is a list of cells, and a cell is text or an element.
function table(heads, rows, attributes = {}) {
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
  const body = rows.map((cells) => make("tr", {}, ...cells.map(cell)));
  return make("table", attributes, make("thead", {}, head), make("tbody", {}, ...body));
}

function cell(content, place) {
  const tag = place === 0 ? "th" : "td";
  return make(tag, place === 0 ? { scope: "row" } : {}, content ?? "");
}

function facts(list, pairs) {
  const known = pairs.filter(([, value]) => value !== "");
  list.replaceChildren(
    ...known.map(([label, value]) => make("div", {}, make("dt", {}, visible(label)), make("dd", {}, visible(value)))),
  );
}

function options(select, choices) {
  select.replaceChildren(...choices.map(([value, text]) => make("option", { value }, text)));
}

function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

// Calls a function once the calls for it have stopped coming.
function settled(run, milliseconds) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(run, milliseconds);
  };
}
