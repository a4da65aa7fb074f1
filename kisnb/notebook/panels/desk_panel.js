// The desk panel: draws the sentences, and the tables as rows and cell changes, that desk_panel.py
// sends. Cells are text, never markup. Python decides which tone a cell has, and which button a row
// has. kill_button.js and panel_keys.js stand before this file.

const TITLES = { agents: "Agents", orders: "Orders" };
const STALE_MS = 4000;
const RETRY_MS = 2000;

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

// Writes a text only when it differs. So what is selected stays so, and a screen reader does not
// read it again.
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// A button that waits for its answer takes no click. It is not `disabled`, because the browser takes
// the focus from a disabled button, and the next key would be the notebook's.
const isWaiting = (button) => button.getAttribute("aria-disabled") === "true";
const wait = (button, waits) => button.setAttribute("aria-disabled", String(waits));

// One table: data first, DOM later. A hidden tab draws nothing, and its data stays one state, not a
// queue.
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
      for (const [i, cell] of Object.entries(changes)) {
        cells[i] = cell;
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
    for (const column of this.columns) {
      row.append(column.kind === "action" ? this.action(key, column) : element("td"));
    }
    this.drawn.set(key, row);
    this.columns.forEach((_, i) => this.write(row, key, i, false));
    return row;
  }

  // A cell with the row's button, whose label is the name of what it does.
  action(key, column) {
    const cell = element("td", column.kind);
    const button = element("button", "jp-mod-styled");
    button.title = column.tip;
    button.addEventListener("click", () => {
      // A second click would ask for the same once more. The timer serves for a lost message.
      if (isWaiting(button)) return;
      wait(button, true);
      setTimeout(() => wait(button, false), RETRY_MS);
      this.act(button.textContent, key);
    });
    cell.append(button);
    return cell;
  }

  write(row, key, i, flash) {
    const [text, tone] = [this.cells.get(key)[i]].flat();
    const column = this.columns[i];
    const cell = row.children[i];
    if (column.kind === "action") {
      const button = cell.firstChild;
      button.textContent = text;
      button.hidden = !text;
      wait(button, false);
      return;
    }
    cell.textContent = text;
    cell.className = `${column.kind} ${tone ?? ""}`;
    if (flash) {
      void cell.offsetWidth; // restarts the animation
      cell.classList.add("flash");
    }
    // A new state shows what the press of the button came to, so that it can be pressed again.
    const button = row.lastChild.firstChild;
    if (column.kind === "state" && button) wait(button, false);
  }
}

function render({ model, el, signal }) {
  const root = element("div", "kisnb-desk");
  keepKeys(root);
  const header = {};
  const parts = {};
  let seq = null;
  let frame = 0;
  let heard = performance.now();
  let own = []; // notices of this view: its HALT button's, gone when the trading state changes
  let passing = false; // the kernel sends the same as `own`, once it sends again
  let stale = ""; // why what stands here may be old
  let blocked = false; // the kernel has sent which line blocks it: no need to count seconds

  const redraw = () => (frame ||= requestAnimationFrame(() => drawWithFocus(root, draw)));
  const say = (notices, untilNews = false) => {
    own = notices;
    passing = untilNews;
    redraw();
  };
  const hears = () => seq !== null && performance.now() - heard < STALE_MS;
  const kill = new KillButton(model, say, hears);
  const facts = element("div", "facts");
  for (const name of ["badge", "label", "clock", "link"]) {
    facts.append((parts[name] = element("span", name)));
  }
  parts.trading = element("div", "trading");
  parts.trading.setAttribute("role", "status");
  parts.notices = element("div", "notices");
  const news = element("div", "news");
  news.append(parts.trading, parts.notices);
  const top = element("header");
  top.append(kill.node, facts, news);
  const act = (kind, key) => model.send({ kind, key });
  const tables = {};
  for (const name of Object.keys(TITLES)) tables[name] = new Table(name, act);
  root.append(top, ...Object.values(tables).map((table) => table.node));
  el.append(root);

  function draw() {
    frame = 0;
    root.dataset.mode = header.mode ?? "";
    root.classList.toggle("stale", stale !== "");
    parts.badge.innerHTML = header.badge ?? "";
    for (const name of ["label", "clock"]) parts[name].textContent = header[name] ?? "";
    parts.link.textContent = header.link ? `link ${header.link}` : "";
    parts.link.className = `link ${header.link_tone ?? ""}`;
    write(parts.trading, header.trading?.text ?? "");
    parts.trading.className = `trading ${header.trading?.tone ?? ""}`;
    const first = stale ? [{ kind: "now", text: stale }] : [];
    const lines = [...first, ...own, ...(header.notices ?? [])];
    while (parts.notices.children.length > lines.length) parts.notices.lastChild.remove();
    lines.forEach((line, i) => {
      const node = parts.notices.children[i] ?? parts.notices.appendChild(element("div"));
      node.className = `notice ${line.kind}`;
      write(node, line.text);
    });
    kill.draw();
    for (const table of Object.values(tables)) table.draw();
  }

  function receive(message) {
    if (message.kind === "blocked") {
      blocked = true;
      stale = message.text;
      redraw();
      return;
    }
    heard = performance.now();
    if (stale || (passing && own.length)) redraw();
    if (passing || (seq !== null && message.header?.trading)) own = [];
    stale = "";
    blocked = false;
    if (message.kind === "snapshot") {
      for (const [name, table] of Object.entries(message.tables)) {
        tables[name].reset(table.columns, table.rows);
      }
    } else if (message.kind === "delta") {
      if (seq === null || message.seq <= seq) return;
      if (message.seq !== seq + 1) return ask();
      for (const [name, delta] of Object.entries(message.tables)) tables[name].apply(delta);
    } else return;
    seq = message.seq;
    Object.assign(header, message.header);
    kill.face = header.kill;
    kill.ways = header.ways;
    redraw();
  }

  function ask() {
    seq = null;
    model.send({ kind: "ready" });
  }

  const watch = setInterval(() => {
    const silent = performance.now() - heard;
    if (silent < STALE_MS || header.closed || blocked) return;
    stale = fill(header.silent ?? "", { n: Math.round(silent / 1000) });
    redraw();
  }, 1000);
  model.on("msg:custom", receive);
  const unwatch = kill.watch();
  signal?.addEventListener("abort", () => clearInterval(watch));
  ask();
  return () => {
    clearInterval(watch);
    cancelAnimationFrame(frame);
    unwatch();
    model.off("msg:custom", receive);
  };
}

export default { render };
