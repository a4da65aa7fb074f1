// The desk panel: draws the tables that desk_panel.py sends as rows and cell changes. Cells are text, never markup.

const TITLES = { agents: "Agents", orders: "Orders" };
const OPEN = new Set(["new", "sending", "unknown", "sent", "accepted"]);
const RUNNING = new Set(["running", "paused"]);
const ACTIONS = {
  agents: { kind: "stop", label: "stop", when: RUNNING, tip: "Stop this agent and cancel its open orders" },
  orders: { kind: "cancel", label: "cancel", when: OPEN, tip: "Cancel what is left of this order" },
};
const STALE_MS = 4000;
const RETRY_MS = 2000;
const CONFIRM_MS = 4000;

const STYLE = `
.kisnb-desk { font: 12px var(--jp-ui-font-family, sans-serif); color: var(--jp-ui-font-color1, #222); padding: 4px; }
.kisnb-desk header { display: flex; gap: 12px; align-items: center; margin-bottom: 6px; flex-wrap: wrap; }
.kisnb-desk[data-mode=live] { border: 2px solid #c40000; }
.kisnb-desk .clock { font-variant-numeric: tabular-nums; font-weight: 600; }
.kisnb-desk header .trouble { color: var(--jp-ui-font-color2, #555); }
.kisnb-desk button.kill { background: #c40000; color: #fff; border: 0; border-radius: 2px; font-weight: 600; }
.kisnb-desk header .note, .kisnb-desk .stale, .kisnb-desk .halt, .kisnb-desk .link.bad { color: var(--jp-error-color1, #c62828); font-weight: 600; }
.kisnb-desk .scroll { max-height: 320px; overflow: auto; margin-bottom: 8px; }
.kisnb-desk h4 { margin: 4px 0; font-size: 13px; }
.kisnb-desk table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; table-layout: auto; }
.kisnb-desk th { position: sticky; top: 0; background: var(--jp-layout-color2, #eee); text-align: left; }
.kisnb-desk th, .kisnb-desk td { padding: 1px 6px; white-space: nowrap; border-bottom: 1px solid var(--jp-border-color2, #ddd); }
.kisnb-desk td.number, .kisnb-desk td.signed, .kisnb-desk th.number, .kisnb-desk th.signed { text-align: right; }
.kisnb-desk td.note { white-space: normal; color: var(--jp-ui-font-color2, #555); }
.kisnb-desk td:last-child { position: sticky; right: 0; background: var(--jp-layout-color0, #fff); }
.kisnb-desk td.up { color: var(--kisnb-rise, #d60000); }
.kisnb-desk td.down { color: var(--kisnb-fall, #0051c7); }
.kisnb-desk td.state.bad { color: #fff; background: #c40000; }
.kisnb-desk td.flash { animation: kisnb-flash .8s ease-out; }
@keyframes kisnb-flash { from { background: var(--jp-warn-color2, #ffe0a3); } }
.kisnb-desk .empty { color: var(--jp-ui-font-color2, #555); }
.kisnb-desk button { font-size: 11px; line-height: 16px; min-height: 0; height: 18px; padding: 0 6px; cursor: pointer; }
`;

const BAD = new Set(["denied", "rejected", "failed", "unknown"]);

function tone(kind, text) {
  if (kind === "side") return text === "buy" ? "up" : "down";
  if (kind === "signed") return text.startsWith("+") ? "up" : text.startsWith("-") ? "down" : "";
  if (kind === "state") return BAD.has(text) ? "bad" : "";
  return "";
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

// One table: data first, DOM later. A hidden tab draws nothing, and its data stays one state, not a queue.
class Table {
  constructor(name, act) {
    this.name = name;
    this.act = act;
    this.columns = [];
    this.keys = [];
    this.cells = new Map();
    this.drawn = new Map();
    this.dirty = new Map();
    this.moved = true;
    this.node = element("section");
    this.node.dataset.table = name;
    this.title = element("h4", "", TITLES[name]);
    this.empty = element("div", "empty", "none yet");
    this.scroll = element("div", "scroll");
    this.head = element("thead");
    this.body = element("tbody");
    const table = element("table");
    table.append(this.head, this.body);
    this.scroll.append(table);
    this.node.append(this.title, this.empty, this.scroll);
  }

  reset(columns, rows) {
    this.columns = columns;
    const line = element("tr");
    for (const column of columns) line.append(element("th", column.kind, column.name));
    line.append(element("th"));
    this.head.replaceChildren(line);
    this.replace(rows);
  }

  replace(rows) {
    this.keys = rows.map(([key]) => key);
    this.cells = new Map(rows.map(([key, cells]) => [key, [...cells]]));
    this.drawn.clear();
    this.dirty.clear();
    this.moved = true;
  }

  apply(delta) {
    if (delta.rows) this.replace(delta.rows);
    const dropped = new Set(delta.drop ?? []);
    if (dropped.size) {
      this.keys = this.keys.filter((key) => !dropped.has(key));
      for (const key of dropped) {
        this.cells.delete(key);
        this.drawn.delete(key);
        this.dirty.delete(key);
      }
      this.moved = true;
    }
    for (const [index, key, cells] of delta.add ?? []) {
      this.keys.splice(index, 0, key);
      this.cells.set(key, [...cells]);
      this.moved = true;
    }
    for (const [key, changes] of Object.entries(delta.set ?? {})) {
      const cells = this.cells.get(key);
      const dirty = this.dirty.get(key) ?? new Set();
      for (const [i, text] of Object.entries(changes)) {
        cells[i] = text;
        dirty.add(Number(i));
      }
      this.dirty.set(key, dirty);
    }
  }

  draw() {
    for (const [key, columns] of this.dirty) {
      const row = this.drawn.get(key);
      if (!row) continue;
      for (const i of columns) this.write(row, key, i, true);
    }
    this.dirty.clear();
    if (!this.moved) return;
    this.moved = false;
    this.body.replaceChildren(...this.keys.map((key) => this.drawn.get(key) ?? this.row(key)));
    this.empty.hidden = this.keys.length > 0;
    this.scroll.hidden = !this.keys.length;
  }

  row(key) {
    const row = element("tr");
    row.dataset.key = key;
    row.append(...this.columns.map(() => element("td")), element("td"));
    this.drawn.set(key, row);
    const action = ACTIONS[this.name];
    const button = element("button", "jp-mod-styled", action.label);
    button.title = action.tip;
    button.addEventListener("click", () => {
      button.disabled = true;
      setTimeout(() => (button.disabled = false), RETRY_MS);
      this.act(action.kind, key);
    });
    row.lastChild.append(button);
    this.columns.forEach((_, i) => this.write(row, key, i, false));
    return row;
  }

  write(row, key, i, flash) {
    const text = this.cells.get(key)[i];
    const column = this.columns[i];
    const cell = row.children[i];
    cell.textContent = text;
    cell.className = `${column.kind} ${tone(column.kind, text)}`;
    if (flash) {
      void cell.offsetWidth; // restarts the animation
      cell.classList.add("flash");
    }
    if (column.kind === "state") {
      const button = row.lastChild.firstChild;
      button.hidden = !ACTIONS[this.name].when.has(text);
      button.disabled = false;
    }
  }
}

// The server of JupyterLab tells the desk, so that this works while the kernel spins.
async function pullKillSwitch(mode) {
  const config = document.getElementById("jupyter-config-data");
  const base = config ? (JSON.parse(config.textContent).baseUrl ?? "/") : "/";
  const token = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] ?? "";
  const reply = await fetch(`${base}kisnb/halt`, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", "X-XSRFToken": token },
    body: JSON.stringify({ mode, reason: "the panel's button" }),
  });
  if (reply.status === 404) return null;
  if (!reply.ok) throw new Error(`the server answered ${reply.status}`);
  return (await reply.json()).steps;
}

function render({ model, el, signal }) {
  const root = element("div", "kisnb-desk");
  const top = element("header");
  const parts = {};
  for (const name of ["badge", "label", "clock", "link", "halt", "note", "trouble", "stale"]) {
    parts[name] = element("span", name);
    top.append(parts[name]);
  }
  const kill = element("button", "kill", "HALT");
  kill.title = "Kill switch: no new order passes, all that is open is cancelled. Press twice.";
  let armed = 0;
  kill.addEventListener("click", async () => {
    if (performance.now() - armed > CONFIRM_MS) {
      armed = performance.now();
      kill.textContent = "press again to HALT";
      setTimeout(() => (kill.textContent = "HALT"), CONFIRM_MS);
      return;
    }
    armed = 0;
    kill.textContent = "HALT";
    parts.note.textContent = "kill switch …";
    try {
      const steps = await pullKillSwitch(header.mode);
      if (steps === null) model.send({ kind: "halt" });
      else parts.note.textContent = steps.map((step) => `${step.step}: ${step.text}`).join(" · ");
    } catch (error) {
      parts.note.textContent = `FAILED: ${error.message}; asking the kernel`;
      model.send({ kind: "halt" });
    }
  });
  top.append(kill);
  const act = (kind, key) => model.send({ kind, key });
  const tables = {};
  for (const name of Object.keys(TITLES)) tables[name] = new Table(name, act);
  root.append(element("style", "", STYLE), top, ...Object.values(tables).map((table) => table.node));
  el.append(root);

  const header = {};
  let seq = null;
  let frame = 0;
  let heard = performance.now();

  function draw() {
    frame = 0;
    root.dataset.mode = header.mode ?? "";
    parts.badge.innerHTML = header.badge ?? "";
    for (const name of ["label", "clock", "halt", "note", "trouble"]) parts[name].textContent = header[name] ?? "";
    parts.link.textContent = header.link ? `link ${header.link}` : "";
    parts.link.classList.toggle("bad", header.link !== "up");
    for (const table of Object.values(tables)) table.draw();
  }

  function receive(message) {
    if (message.kind === "blocked") {
      parts.stale.textContent = `the notebook is blocked by ${message.where}; the desk goes on`;
      return;
    }
    heard = performance.now();
    parts.stale.textContent = "";
    if (message.kind === "snapshot") {
      for (const [name, table] of Object.entries(message.tables)) tables[name].reset(table.columns, table.rows);
    } else if (message.kind === "delta") {
      if (seq === null || message.seq <= seq) return;
      if (message.seq !== seq + 1) return ask();
      for (const [name, delta] of Object.entries(message.tables)) tables[name].apply(delta);
    } else return;
    seq = message.seq;
    Object.assign(header, message.header);
    frame ||= requestAnimationFrame(draw);
  }

  function ask() {
    seq = null;
    model.send({ kind: "ready" });
  }

  const watch = setInterval(() => {
    const silent = performance.now() - heard;
    if (parts.stale.textContent.startsWith("the notebook is blocked")) return;
    if (silent < STALE_MS || header.link === "closed") return;
    parts.stale.textContent = `no news for ${Math.round(silent / 1000)} s: the kernel is busy or gone`;
  }, 1000);
  model.on("msg:custom", receive);
  signal?.addEventListener("abort", () => clearInterval(watch));
  ask();
  return () => {
    clearInterval(watch);
    cancelAnimationFrame(frame);
    model.off("msg:custom", receive);
  };
}

export default { render };
