// One table of a panel: rows and cell changes come from Python, Tabulator draws them. Cells are text
// and never markup. Python decides which tone a cell has, which buttons a row has and how wide a
// column is.

const NOTE_WIDTH = 22; // letters that a column without a width has room for at least
// Pixels of a digit, of a letter of a heading with its share of the arrow, and of a cell beside its
// letters; in a tight table of small letters, too.
const ROOMY = { letter: 7, head: 9, padding: 13 };
const TIGHT = { letter: 6.3, head: 6.6, padding: 8 };
// `getData().key` is a row's key: `getIndex` copies the whole row first.
// What a table leaves out where there is no room, see `levelFor`.
const TIGHT_LEVEL = 3;
const BUTTONS_BELOW = 4;
const SORT_MS = 1000; // a table that is sorted is put in order anew at most this often

const textOf = (value) => (Array.isArray(value) ? value[0] : (value ?? ""));
const toneOf = (value) => (Array.isArray(value) ? value[1] : "");
const field = (i) => `c${i}`;
const isNumeric = (kind) => kind === "number" || kind === "signed";

// The pixels that a column needs, its heading included.
function roomOf(column, level) {
  const { letter, head, padding } = level >= TIGHT_LEVEL ? TIGHT : ROOMY;
  const letters = (column.width || NOTE_WIDTH) * letter;
  return Math.ceil(Math.max(letters, column.name.length * head)) + padding;
}

// "1,234", "+12" and "71,000 (+1.2 %)" are sorted by their number; a cell without one comes last.
function numberOf(value) {
  const found = textOf(value).replaceAll(",", "").match(/[-+]?\d+(\.\d+)?/);
  return found ? Number(found[0]) : -Infinity;
}

const sorters = {
  number: (a, b) => numberOf(a) - numberOf(b),
  text: (a, b) => textOf(a).localeCompare(textOf(b), "ko"),
};

// One table: data first, DOM later. A hidden tab draws nothing, and its data stays one state, not a
// queue.
class Table {
  // `words` are its name, its title, what it says without rows, and its height in rows. `act` is
  // called with the name of a button, the key of its row, what was typed, and the button. `ask` asks
  // for all rows anew. `library` is the promise of Tabulator.
  constructor(words, act, ask, library, flashes) {
    this.words = words;
    this.act = act;
    this.ask = ask;
    this.library = library;
    this.flashes = flashes;
    this.columns = [];
    this.keys = [];
    this.cells = new Map();
    this.dirty = new Map();
    this.dropped = new Set();
    this.added = [];
    this.whole = true; // everything is to be drawn anew
    this.grid = null;
    this.rowOf = null; // the grid's rows by key, once they were asked for
    this.ready = false;
    this.level = 0;
    this.unsorted = false;
    this.sortedAt = 0;
    this.current = null;
    this.held = false; // rows wait for a pointer that aims at a button
    this.steps = new Map(); // the arrows of the open form, by the name of their field
    this.node = element("section", "table");
    this.node.dataset.table = words.name;
    const head = (this.head = element("div", "title"));
    this.count = element("span", "count");
    this.waiting = element("span", "count");
    this.finds = pressable("filter", "Show only rows that contain what you type", (button) => {
      wait(button, false);
      this.toggleFilters();
    });
    head.append(element("h4", "", words.title), this.count, this.finds, this.waiting);
    this.place = element("div", "grid");
    // The room of a table of a fixed height, so that nothing moves when the table is built.
    this.size = words.rows * 22 + 26;
    if (words.fixed) this.place.style.height = `${this.size}px`;
    this.node.append(head, this.place);
    this.place.addEventListener("keydown", (event) => this.key(event));
    this.aim = new Aim(this.place, (key, name) => this.press(key, name));
    this.seen = new ResizeObserver(() => this.fit());
    this.seen.observe(this.place);
  }

  end() {
    this.seen.disconnect();
    this.grid?.destroy();
    this.grid = null;
  }

  reset(columns, rows) {
    const same = JSON.stringify(columns) === JSON.stringify(this.columns);
    this.columns = columns;
    this.whole ||= !same;
    this.replace(rows);
    if (!same && this.grid) {
      this.grid.destroy();
      this.grid = null;
    }
  }

  replace(rows) {
    const isSame = rows.length === this.keys.length && rows.every(([key], i) => key === this.keys[i]);
    if (isSame && !this.whole && !this.added.length && !this.dropped.size) {
      // The same rows: only their cells may differ.
      for (const [key, cells] of rows) this.set(key, { ...cells });
      return;
    }
    this.keys = rows.map(([key]) => key);
    this.cells = new Map(rows.map(([key, cells]) => [key, [...cells]]));
    this.drawn();
    this.whole = true;
  }

  set(key, changes) {
    const cells = this.cells.get(key);
    const dirty = this.dirty.get(key) ?? new Set();
    for (const [i, cell] of Object.entries(changes)) {
      if (String(cells[i]) === String(cell)) continue;
      cells[i] = cell;
      dirty.add(Number(i));
    }
    if (dirty.size) this.dirty.set(key, dirty);
  }

  apply(delta) {
    if (delta.rows) this.replace(delta.rows);
    for (const key of delta.drop ?? []) {
      this.cells.delete(key);
      this.dirty.delete(key);
      this.dropped.add(key);
    }
    if (delta.drop?.length) this.keys = this.keys.filter((key) => this.cells.has(key));
    (delta.add ?? []).forEach(([index, key, cells], i) => {
      // New orders come on top. Anything else is rare, and draws the table anew.
      if (index !== i || this.dropped.has(key)) this.whole = true;
      this.added.splice(i, 0, key);
      this.keys.splice(index, 0, key);
      this.cells.set(key, [...cells]);
    });
    for (const [key, changes] of Object.entries(delta.set ?? {})) this.set(key, changes);
  }

  draw() {
    write(this.count, this.keys.length ? this.keys.length.toLocaleString("en-US") : "");
    if (!this.columns.length) return;
    if (!this.grid) return void this.build();
    if (!this.ready) return;
    this.aim.look();
    const moves = this.whole || this.added.length > 0 || this.dropped.size > 0;
    this.held = moves && this.aim.holds();
    write(this.waiting, this.held ? (this.words.held ?? "") : "");
    if (this.held) return this.drawCells();
    if (moves) this.aim.applied();
    if (this.whole) this.drawAll();
    else {
      this.drawRows();
      this.drawCells();
    }
    this.drawn();
  }

  // The grid shows all that has come.
  drawn() {
    this.dirty.clear();
    this.dropped.clear();
    this.added = [];
    this.whole = false;
  }

  drawAll() {
    this.rowOf = null;
    this.grid.replaceData(this.keys.map((key) => this.record(key))).catch(() => {});
  }

  drawRows() {
    if (this.dropped.size || this.added.length) this.rowOf = null;
    if (this.dropped.size) this.grid.deleteRow([...this.dropped]).catch(() => (this.whole = true));
    const added = this.added.filter((key) => this.cells.has(key));
    if (!added.length) return;
    this.grid.addData(added.map((key) => this.record(key)), true).catch(this.ask);
    this.unsorted = true;
    // They are drawn with their newest cells.
    for (const key of added) this.dirty.delete(key);
  }

  drawCells() {
    if (!this.dirty.size) return;
    this.rowOf ??= new Map(this.grid.getRows().map((row) => [row.getData().key, row]));
    for (const [key, columns] of this.dirty) {
      const row = this.rowOf.get(key);
      // A row that is not there and does not wait means that a message was lost.
      if (row) this.change(row, columns);
      else if (!this.whole && !this.added.includes(key)) this.ask();
    }
    this.dirty.clear();
    this.unsorted = true;
  }

  // Writes the changed cells of a row. The grid's own `updateData` measures each row that it changes
  // and looks for it among all rows. The grid reads `getData()` when it
  // sorts, filters or draws a row anew.
  change(row, columns) {
    const data = row.getData();
    let moved = false;
    let noted = false;
    for (const i of columns) {
      const column = this.columns[i];
      const value = (data[field(i)] = this.cells.get(data.key)[i]);
      if (this.isBelow(column)) noted = true;
      // A row that was never in sight has no cells yet, and a column that is left out has none.
      const cell = row.getCell(field(i));
      if (!cell) continue;
      const place = cell.getElement();
      const shown = place.firstChild;
      if (column.kind === "action" && !this.isBelow(column)) {
        this.drawButtons(place, data.key, column, value);
        continue;
      }
      if (column.kind === "spark" || shown?.tagName !== "SPAN") {
        place.replaceChildren(this.content(cell, column));
        continue;
      }
      this.write(shown, value);
      moved ||= column.kind === "note";
      this.flashes.flash(place);
    }
    if (noted) this.note(row);
    if ((noted || moved) && row.getElement().isConnected) row.normalizeHeight();
  }

  record(key) {
    const row = { key };
    this.cells.get(key).forEach((cell, i) => (row[field(i)] = cell));
    return row;
  }

  // Puts the rows in the order of the column that a person chose: not while the pointer is over the
  // table, because the row under it would become another one.
  settle() {
    const now = performance.now();
    // A timer may still fire when the table has left the page.
    if (!this.ready || !this.grid) return;
    this.fillBlank();
    this.aim.look();
    if (this.held && !this.aim.holds()) this.draw();
    if (!this.unsorted || now - this.sortedAt < SORT_MS) return;
    if (this.aim.pointer || this.place.contains(document.activeElement)) return;
    const sorted = this.grid.getSorters();
    this.unsorted = false;
    if (!sorted.length) return;
    this.sortedAt = now;
    this.sortBy(sorted);
  }

  sortBy(sorted) {
    this.grid.setSort(sorted.map(({ field: column, dir }) => ({ column, dir })));
  }

  // The grid draws no rows while its place has no size, as when JupyterLab lays out a cell, and does
  // not notice when it has one.
  fillBlank() {
    if (!this.keys.length || this.place.querySelector(".tabulator-row")) return;
    if (this.place.clientHeight > 0 && this.grid.getDataCount("active") > 0) this.grid.redraw(true);
  }

  async build() {
    if (this.building) return;
    this.building = true;
    try {
      const { TabulatorFull } = await this.library;
      if (!this.keys.length) await afterRows();
      // Without a width the columns would be laid out for nothing. The next draw tries again.
      if (!this.node.isConnected || !this.node.clientWidth || this.grid) return;
      this.ready = false;
      this.rowOf = null;
      this.width = this.node.clientWidth;
      this.setLevel(this.levelFor(this.width));
      this.grid = new TabulatorFull(this.place, {
        data: this.keys.map((key) => this.record(key)),
        index: "key",
        layout: "fitColumns",
        [this.words.fixed ? "height" : "maxHeight"]: this.size,
        placeholder: this.words.empty,
        columnDefaults: { headerSortTristate: true, resizable: false, vertAlign: "top" },
        columns: this.shownColumns(),
        rowFormatter: (row) => this.format(row),
        autoResize: true,
        headerSortElement: "",
      });
      this.drawn();
      this.grid.on("tableBuilt", () => {
        this.ready = true;
        this.fillBlank();
        // What came while it was built waits, because a draw did nothing.
        this.draw();
      });
      // A click chooses the row that the arrow keys start from.
      this.grid.on("rowClick", (_, row) => this.choose(row));
    } finally {
      this.building = false;
    }
  }

  column(column, i) {
    const { kind } = column;
    const isText = kind === "text" || kind === "note";
    const room = roomOf(column, this.level);
    const common = {
      title: column.name,
      field: field(i),
      cssClass: `k-${kind}`,
      formatter: (cell) => this.content(cell, column),
      // A text may take the room that is left; a number keeps its place.
      ...(isText ? { minWidth: room, widthGrow: kind === "note" ? 4 : 1 } : { width: room }),
    };
    if (kind === "action" || kind === "spark") return { ...common, headerSort: false };
    return {
      ...common,
      hozAlign: isNumeric(kind) ? "right" : "left",
      headerHozAlign: isNumeric(kind) ? "right" : "left",
      sorter: sorters[isNumeric(kind) ? "number" : "text"],
      headerFilter: "input",
      headerFilterFunc: (wanted, value) =>
        textOf(value).toLowerCase().includes(String(wanted).trim().toLowerCase()),
    };
  }

  // 0: all columns. 1: notes stand below their rows. 2 and 3: columns that a person misses least are
  // left out. 4: the buttons, too, stand below their rows.
  levelFor(width) {
    const needed = (level) =>
      this.columns
        .filter((c) => this.isShown(c, level))
        .reduce((sum, c) => sum + roomOf(c, level), 0);
    // Two borders, and a pixel of rounding at each. The grid's own width would differ before it is
    // built and after: at a boundary the table would be built anew for ever.
    return [0, 1, 2, 3].find((level) => needed(level) <= width - 4) ?? BUTTONS_BELOW;
  }

  isShown(column, level = this.level) {
    return !this.isBelow(column, level) && (level === 0 || (column.extra || 0) <= Math.max(3 - level, 0));
  }

  // Whether a column's cells stand below their rows.
  isBelow({ kind }, level = this.level) {
    return (kind === "note" && level > 0) || (kind === "action" && level === BUTTONS_BELOW);
  }

  fit() {
    if (!this.grid) return void (this.columns.length && this.build());
    if (!this.ready) return;
    const width = this.node.clientWidth;
    const level = this.levelFor(width);
    if (level === this.level) {
      // The grid waits until it comes into sight, and then keeps the heights of its rows: the end of
      // a text that needs a second line now would be hidden.
      if (width !== this.width) this.grid.redraw(true);
      this.width = width;
      return;
    }
    this.width = width;
    this.setLevel(level);
    // The rows stay, and so does what a person chose, as far as its column is shown.
    const sorted = this.grid.getSorters();
    const filters = this.grid.getHeaderFilters();
    // A field that is taken off the page while a person types in it would set its filter again.
    this.place.querySelector("input:focus")?.blur();
    if (filters.length) this.grid.clearHeaderFilter();
    const columns = this.shownColumns();
    this.grid.setColumns(columns);
    const names = new Set(columns.map((column) => column.field));
    for (const { field: name, value } of filters) {
      if (names.has(name)) this.grid.setHeaderFilterValue(name, value);
    }
    if (sorted.length) this.sortBy(sorted.filter(({ field: name }) => names.has(name)));
  }

  setLevel(level) {
    this.level = level;
    this.node.classList.toggle("tight", level >= TIGHT_LEVEL);
  }

  // A column that is left out costs nothing: the grid lays out hidden ones one by one.
  shownColumns() {
    return this.columns
      .map((column, i) => ({ column, i }))
      .filter(({ column }) => this.isShown(column))
      .map(({ column, i }) => this.column(column, i));
  }

  format(row) {
    row.getElement().classList.toggle("current", row.getData().key === this.current);
    this.note(row);
  }

  // What has no room beside a row stands below it. The places of texts and buttons stay: a button
  // keeps its focus and its click while the text beside it changes.
  note(row) {
    const node = row.getElement();
    let line = node.querySelector(":scope > .note");
    const data = row.getData();
    const below = this.columns
      .map((column, i) => ({ column, name: field(i), value: data[field(i)] }))
      .filter(({ column, value }) => this.isBelow(column) && textOf(value));
    if (!below.length) return void line?.remove();
    line ??= node.appendChild(element("div", "note"));
    const places = new Map([...line.children].map((place) => [place.dataset.field, place]));
    below.forEach(({ column, name, value }, i) => {
      const place = places.get(name) ?? element("div");
      places.delete(name);
      place.dataset.field = name;
      if (line.children[i] !== place) line.insertBefore(place, line.children[i] ?? null);
      if (column.kind === "action") return this.drawButtons(place, data.key, column, value);
      place.className = toneOf(value);
      write(place, textOf(value));
    });
    for (const place of places.values()) place.remove();
  }

  content(cell, column) {
    const value = cell.getData()[cell.getField()];
    if (this.isBelow(column)) return "";
    if (column.kind === "action") {
      const place = document.createDocumentFragment();
      this.drawButtons(place, cell.getData().key, column, value);
      return place;
    }
    if (column.kind === "spark") return sparkline(textOf(value), toneOf(value));
    const text = element("span");
    this.write(text, value);
    return text;
  }

  write(node, value) {
    const text = textOf(value);
    node.textContent = text;
    node.className = toneOf(value);
    // The whole text of a cell that is cut off.
    node.title = text;
  }

  drawButtons(place, key, column, names) {
    drawButtons(place, textOf(names).split(" ").filter(Boolean), (name) => {
      const button = pressable(name, column.tips?.[name] ?? "", (pressed) => {
        // The row may have been drawn anew since the pointer went down.
        const shown = pressed.isConnected ? pressed : this.buttonOf(key, name);
        this.carryOut(name, key, shown);
      });
      // The arrow keys and Enter lead to it. A stop for each row would be a long way.
      button.tabIndex = -1;
      button.dataset.key = key;
      return button;
    });
  }

  // The button of this name in the row of this key. Undefined when the row has none now.
  buttonOf(key, name) {
    const buttons = this.place.querySelectorAll(`button[data-action=${name}]`);
    return [...buttons].find((button) => button.dataset.key === key);
  }

  // A press that was meant for the button of this key and name, which has moved away.
  press(key, name) {
    const at = this.columns.findIndex((column) => column.kind === "action");
    if (!textOf(this.cells.get(key)?.[at]).split(" ").includes(name)) return;
    const shown = this.buttonOf(key, name);
    if (shown) shown.click();
    else this.carryOut(name, key);
  }

  // A button with a form opens it, any other one acts.
  carryOut(name, key, shown) {
    const form = this.words.forms?.[name];
    if (!form) return this.act(name, key, {}, shown);
    if (!shown) return;
    wait(shown, false);
    this.open(name, form, shown, key);
  }

  // A small form over the row, such as that of a revise: fields that begin with cells of the row.
  open(name, { fields, buttons }, button, key) {
    this.form?.remove();
    const form = (this.form = element("form", `row-form ${name}`));
    this.steps.clear();
    const inputs = fields.map((wanted) => {
      const at = this.columns.findIndex((column) => column.name === wanted.column);
      const input = element("input");
      input.value = textOf(this.cells.get(key)[at]);
      input.inputMode = "numeric";
      input.setAttribute("aria-label", wanted.name);
      const steps = new Steps(input, (n) =>
        this.act("step", key, { table: this.words.name, name: wanted.name, text: input.value, n }),
      );
      this.steps.set(wanted.name, steps);
      form.append(wanted.lead, steps.arrows[0], input, steps.arrows[1]);
      return input;
    });
    const close = () => {
      form.remove();
      this.place.querySelector(".tabulator-tableholder")?.focus({ preventScroll: true });
    };
    const sends = buttons.map(([action, label, tip]) =>
      pressable(label, tip, () => {
        this.act(action, key, Object.fromEntries(inputs.map((input) => [input.ariaLabel, input.value])));
        close();
      }),
    );
    form.append(...sends, pressable("back", "", close));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") close();
      // With several buttons the Enter key would choose one for the person.
      if (event.key === "Enter" && event.target.tagName === "INPUT" && sends.length === 1) sends[0].click();
    });
    form.dataset.key = key;
    const box = button.closest(".tabulator-row").getBoundingClientRect();
    const own = this.node.getBoundingClientRect();
    form.style.top = `${box.bottom - own.top}px`;
    this.node.append(form);
    inputs[0].focus();
    inputs[0].select();
  }

  // The kernel knows the ticks: it answers an arrow with the new text.
  stepped({ key, name, text }) {
    if (!this.form?.isConnected || this.form.dataset.key !== key) return;
    this.steps.get(name)?.answered(text);
  }

  toggleFilters() {
    const shown = this.node.classList.toggle("filters");
    if (!shown) this.grid?.clearHeaderFilter();
    this.grid?.redraw();
    if (shown) this.place.querySelector(".tabulator-header-filter input")?.focus();
  }

  choose(row) {
    const old = this.grid.getRow(this.current);
    this.current = row.getData().key;
    if (old) this.format(old);
    this.format(row);
  }

  // Arrow keys choose a row, Enter goes to its buttons, Escape back to the table.
  key(event) {
    if (!this.ready || event.target.tagName === "INPUT") return;
    const isButton = event.target.tagName === "BUTTON";
    const holder = this.place.querySelector(".tabulator-tableholder");
    if (isButton && event.key === "Escape") holder.focus({ preventScroll: true });
    else if (isButton && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
      const buttons = [...event.target.parentElement.querySelectorAll("button")];
      const step = event.key === "ArrowRight" ? 1 : -1;
      buttons[buttons.indexOf(event.target) + step]?.focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const rows = this.grid.getRows("active");
      const at = rows.findIndex((row) => row.getData().key === this.current);
      const row = rows[Math.max(0, Math.min(rows.length - 1, at + (event.key === "ArrowDown" ? 1 : -1)))];
      if (!row) return;
      this.choose(row);
      this.grid.scrollToRow(row, "nearest", false).catch(() => {});
      if (isButton) holder.focus({ preventScroll: true });
    } else if (event.key === "Enter" && !isButton) {
      const row = this.grid.getRow(this.current);
      if (row) row.getElement().querySelector("button")?.focus({ preventScroll: true });
    } else return;
    event.preventDefault();
  }
}

// A curve of the newest values: Python gives each as a letter of 0 to z, lowest to highest.
function sparkline(levels, tone) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 60 16");
  svg.setAttribute("class", `spark ${tone}`);
  const at = (letter, i) =>
    `${((i * 58) / Math.max(levels.length - 1, 1) + 1).toFixed(1)},` +
    `${(15 - (parseInt(letter, 36) * 14) / 35).toFixed(1)}`;
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", [...levels].map(at).join(" "));
  svg.append(line);
  return svg;
}
