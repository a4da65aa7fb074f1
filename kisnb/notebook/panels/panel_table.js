// One table of a panel: rows and cell changes come from Python, cells are text and never markup.
// Python decides which tone a cell has, which button a row has and how wide a column is.
// desk_panel.py puts this file before desk_panel.js.

const RETRY_MS = 2000;
const FLASH_MS = 800;
const FLASHES_A_SECOND = 5;
const NOTE_WIDTH = 22; // letters that a column without a width has room for at least

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

// Marks changed cells for a moment: those in sight, a few in a second, and none for a person whose
// system asks for reduced motion. Painting the marks costs more than drawing the values.
class Flashes {
  constructor() {
    this.inSight = new Set();
    this.recent = [];
    this.reduced = matchMedia("(prefers-reduced-motion: reduce)");
    this.seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.inSight.add(target);
        else this.inSight.delete(target);
      }
    });
  }

  watch(row) {
    this.seen.observe(row);
  }

  forget(row) {
    this.seen.unobserve(row);
    this.inSight.delete(row);
  }

  end() {
    this.seen.disconnect();
  }

  flash(row, cell) {
    if (this.reduced.matches || !this.inSight.has(row)) return;
    const now = performance.now();
    this.recent = this.recent.filter((t) => now - t < 1000);
    if (this.recent.length >= FLASHES_A_SECOND) return;
    this.recent.push(now);
    // `animate` starts anew by itself. A class that is taken off and put on again needs a layout in
    // between: 80 of them in a message took 150 to 210 ms.
    const ring = (colour) => ({ boxShadow: `inset 0 0 0 2px ${colour}` });
    cell.animate([ring("var(--flash)"), ring("transparent")], FLASH_MS);
  }
}

// One table: data first, DOM later. A hidden tab draws nothing, and its data stays one state, not a
// queue.
class Table {
  // `words` are its name, its title and what it says without rows. `act` is called with the name of
  // a button and the key of its row.
  constructor(words, act, flashes) {
    this.act = act;
    this.flashes = flashes;
    this.columns = [];
    this.keys = [];
    this.cells = new Map();
    this.drawn = new Map();
    this.dirty = new Map();
    this.moved = true;
    this.node = element("section");
    this.node.dataset.table = words.name;
    this.empty = element("div", "empty", words.empty);
    this.scroll = element("div", "scroll");
    this.head = element("thead");
    this.body = element("tbody");
    // The whole text of a cell that is cut off.
    this.body.addEventListener("mouseover", ({ target }) => {
      if (target.tagName === "TD") target.title = target.textContent;
    });
    this.table = element("table");
    this.table.append(this.head, this.body);
    this.scroll.append(this.table);
    this.node.append(element("h4", "", words.title), this.empty, this.scroll);
  }

  reset(columns, rows) {
    this.columns = columns;
    const line = element("tr");
    for (const column of columns) {
      const head = element("th", classes(column), column.name);
      if (column.width) head.style.width = `${column.width}ch`;
      line.append(head);
    }
    this.head.replaceChildren(line);
    // A wide table is never narrower than its columns, and scrolls instead. In a narrow one a text
    // is cut off before a number is, and notes stand below the row.
    const room = (c) => `(${c.width || NOTE_WIDTH}ch + 2 * var(--pad))`;
    const track = (c) => (c.kind === "text" ? `minmax(8ch, calc${room(c)})` : `calc${room(c)}`);
    this.table.style.setProperty("--least", `calc(${columns.map(room).join(" + ")})`);
    for (const extra of [0, 1, 2]) {
      const kept = columns.filter((c) => c.kind !== "note" && c.extra <= extra);
      this.table.style.setProperty(`--tracks-${extra}`, kept.map(track).join(" "));
    }
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
    this.place();
    this.empty.hidden = this.keys.length > 0;
    this.scroll.hidden = !this.keys.length;
  }

  // Rows that stay are not touched: the browser lays out the new ones alone, and a button keeps the
  // focus.
  place() {
    for (const row of [...this.body.children]) {
      if (this.drawn.get(row.dataset.key) === row) continue;
      this.flashes.forget(row);
      row.remove();
    }
    let next = this.body.firstChild;
    for (const key of this.keys) {
      const row = this.drawn.get(key) ?? this.row(key);
      if (row === next) next = next.nextSibling;
      else this.body.insertBefore(row, next);
    }
  }

  row(key) {
    const row = element("tr");
    row.dataset.key = key;
    for (const column of this.columns) {
      row.append(column.kind === "action" ? this.action(key, column) : element("td"));
    }
    this.drawn.set(key, row);
    this.columns.forEach((_, i) => this.write(row, key, i, false));
    this.flashes.watch(row);
    return row;
  }

  // A cell with the row's button, whose label is the name of what it does.
  action(key, column) {
    const cell = element("td", column.kind);
    const button = element("button", "jp-mod-styled");
    button.type = "button";
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
    cell.className = `${classes(column)} ${tone ?? ""}`;
    if (flash) this.flashes.flash(row, cell);
    // A new state shows what the press of the button came to, so that it can be pressed again.
    const button = row.lastChild.firstChild;
    if (column.kind === "state" && button) wait(button, false);
  }
}

const classes = (column) => (column.extra ? `${column.kind} extra-${column.extra}` : column.kind);
