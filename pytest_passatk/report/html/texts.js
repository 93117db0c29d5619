// Prompts and samples: packed in chunks, which are loaded when somebody wants to read or search them.

const loaded = new Map(); // name of a chunk → its problems
const loading = new Map(); // name of a chunk → promise of its problems
const arriving = new Map(); // name of a chunk → what takes its payload
const addresses = policyFor("passatk");

// Only scripts in the page's own folder may be added to it; the browser asks this function before it takes one.
function policyFor(name) {
  const rules = { createScriptURL: checkedAddress };
  return globalThis.trustedTypes ? trustedTypes.createPolicy(name, rules) : rules;
}

function checkedAddress(address) {
  if (!/^\.\/[^/\\?#:]+\.data\/[0-9a-f]{16}\.js$/.test(address)) throw new TypeError(`not a file of this page: ${address}`);
  return address;
}

// What a file beside the page calls.
globalThis.passatkChunk = (name, payload) => arriving.get(name)?.(payload);

// The chunk that holds the problem at a position of a suite: the last that starts there or before.
function chunkAt(suite, position) {
  return suite.chunks.findLast(([first]) => first <= position);
}

// The prompt and samples of a problem, or undefined as long as they are not loaded.
function knownTexts(suite, position) {
  const [first, name] = chunkAt(suite, position);
  return loaded.get(name)?.[position - first];
}

async function textsOf(suite, position) {
  const [first, name] = chunkAt(suite, position);
  return (await load(name))[position - first];
}

function load(name) {
  if (!loading.has(name)) {
    const promise = payloadOf(name).then(unpack).then((problems) => {
      loaded.set(name, problems);
      return problems;
    });
    promise.catch(() => loading.delete(name));
    loading.set(name, promise);
  }
  return loading.get(name);
}

async function payloadOf(name) {
  const inside = byId(name);
  return inside ? inside.textContent : fromFile(name);
}

function fromFile(name) {
  const file = `./${encodeURIComponent(report.folder)}/${name}.js`;
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    arriving.set(name, resolve);
    script.onload = () => script.remove();
    script.onerror = () => {
      script.remove();
      reject(new Error(`${report.folder}/${name}.js cannot be read: keep the folder ${report.folder} beside this page`));
    };
    script.src = addresses.createScriptURL(file);
    document.body.append(script);
  });
}

async function unpack(payload) {
  if (!globalThis.DecompressionStream) throw new Error("this browser cannot unpack the texts: use one of 2023 or later");
  const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(plain).text());
}
