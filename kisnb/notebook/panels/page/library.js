// Loads the libraries that panels draw with, once for a page and version: from Jupyter's server,
// whose files the browser keeps, else from the kernel. libraries.py has their names.

const LOAD_MS = 5000;
const loaded = (globalThis[Symbol.for("kisnb.libraries")] ??= new Map());

// A promise of the module in `file`, or of the text of a style sheet, which is then on the page.
function library(model, file) {
  if (!loaded.has(file)) {
    const coming = fromServer(file).catch(() => fromKernel(model, file));
    // A failure is not kept: the next panel tries again.
    coming.catch(() => loaded.delete(file));
    loaded.set(file, coming);
  }
  return loaded.get(file);
}

async function fromServer(file) {
  const config = document.getElementById("jupyter-config-data");
  if (!config) throw new Error("no server of Jupyter");
  const base = JSON.parse(config.textContent).baseUrl ?? "/";
  const url = new URL(`${base}kisnb/vendor/${file}`, location.href).href;
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error("late")), LOAD_MS));
  if (!file.endsWith(".css")) return Promise.race([import(url), late]);
  const reply = await Promise.race([fetch(url), late]);
  if (!reply.ok) throw new Error(`status ${reply.status}`);
  return addStyle(await reply.text());
}

function fromKernel(model, file) {
  return new Promise((done, fail) => {
    const receive = (message, buffers) => {
      if (message.kind !== "library" || message.file !== file) return;
      model.off("msg:custom", receive);
      const bytes = buffers[0];
      if (file.endsWith(".css")) return done(addStyle(new TextDecoder().decode(bytes)));
      const url = URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
      import(url).then(done, fail).finally(() => URL.revokeObjectURL(url));
    };
    model.on("msg:custom", receive);
    model.send({ kind: "library", file });
  });
}

function addStyle(text) {
  const style = document.createElement("style");
  style.textContent = text;
  // Before all others, so that the panels' own rules win.
  document.head.prepend(style);
  return text;
}
