// The depth of a stock (호가창) and its newest trades. depth_view.py and tape_view.py word them.

const DEPTH_ROWS = 20;

class DepthPart {
  constructor(words, _model, awake) {
    this.state = {};
    this.changed = new Set(); // names of what came since it was drawn
    this.needsKernel = true;
    this.node = element("section", "depth");
    this.node.dataset.part = words.name;
    this.title = element("div", "title");
    this.name = element("h4");
    this.last = element("b");
    this.change = element("span");
    this.title.append(this.name, this.last, this.change);
    this.line = element("div", "line");
    const heads = element("div", "row heads");
    this.heads = [element("span", "qty"), element("span", "price", "price"), element("span", "qty")];
    this.own = element("span", "own", "own");
    heads.append(...this.heads, this.own);
    this.rows = Array.from({ length: DEPTH_ROWS }, () => this.row(words, awake));
    this.asks = this.sums("asks");
    this.bids = this.sums("bids");
    this.node.append(this.title, this.line, heads, this.asks.node);
    this.node.append(...this.rows.map(({ node }) => node), this.bids.node);
  }

  row(words, awake) {
    const node = element("div", "row level");
    const [krx, price, nxt] = [element("span", "qty"), element("button", "price"), element("span", "qty")];
    const own = element("span", "own");
    price.type = "button";
    price.title = words.tip;
    // One stop of the tab key for each of twenty prices would be a long way.
    price.tabIndex = -1;
    const text = element("span");
    const percent = element("small");
    price.append(text, percent);
    node.append(krx, price, nxt, own);
    const row = { node, price, text, percent, venues: [krx, nxt], own, value: "" };
    node.addEventListener("click", () => {
      if (row.value) awake.send({ kind: "price", code: this.state.code, price: row.value });
    });
    return row;
  }

  sums(className) {
    const node = element("div", `row sums ${className}`);
    const [krx, word, nxt] = [element("span", "qty"), element("span", "price", `all ${className}`), element("span", "qty")];
    node.append(krx, word, nxt, element("span", "own"));
    return { node, venues: [krx, nxt] };
  }

  apply(state) {
    Object.assign(this.state, state);
    for (const name of Object.keys(state)) this.changed.add(name);
  }

  draw() {
    const { state, changed } = this;
    if (!changed.size) return;
    write(this.name, state.title ?? "");
    const [last = "", change = "", tone = ""] = state.price ?? [];
    write(this.last, last);
    write(this.change, change);
    this.last.className = this.change.className = tone;
    write(this.line, state.line ?? "");
    (state.venues ?? []).forEach(([text, tip], i) => {
      const head = this.heads[i * 2];
      write(head, text);
      head.title = tip;
    });
    (state.totals ?? []).forEach(([asks, bids], i) => {
      write(this.asks.venues[i], asks);
      write(this.bids.venues[i], bids);
    });
    this.rows.forEach((row, i) => {
      const name = `r${i}`;
      if (changed.has(name) || !(name in state)) this.drawRow(row, state[name] ?? []);
    });
    changed.clear();
  }

  drawRow(row, [text = "", tone = "", percent = "", isLast = false, own = "", ...levels]) {
    row.value = text;
    write(row.text, text);
    write(row.percent, percent);
    row.price.className = `price ${tone}`;
    row.node.classList.toggle("last", isLast);
    row.node.classList.toggle("mine", own !== "");
    write(row.own, own);
    row.venues.forEach((cell, i) => {
      const [qty = "", side = "", size = 0] = levels[i] ?? [];
      write(cell, qty);
      cell.className = `qty ${side}`;
      cell.style.setProperty("--size", `${size}%`);
    });
  }
}

class TapePart {
  constructor(words) {
    this.state = {};
    this.changed = false;
    this.node = element("section", "tape");
    this.node.dataset.part = words.name;
    const title = element("div", "title");
    this.name = element("h4");
    title.append(this.name);
    this.list = element("div", "trades");
    this.empty = element("div", "empty", words.empty);
    this.node.append(title, this.empty, this.list);
  }

  apply(state) {
    Object.assign(this.state, state);
    this.changed = true;
  }

  draw() {
    if (!this.changed) return;
    this.changed = false;
    const trades = this.state.trades ?? [];
    write(this.name, this.state.title ?? "");
    this.empty.hidden = trades.length > 0;
    while (this.list.children.length > trades.length) this.list.lastChild.remove();
    trades.forEach(([time, price, tone, qty, side, venue], i) => {
      const node = this.list.children[i] ?? this.list.appendChild(this.line());
      [time, price, qty, venue].forEach((text, j) => write(node.children[j], text));
      node.children[1].className = tone;
      node.children[2].className = side;
    });
  }

  line() {
    const node = element("div");
    node.append(...["time", "", "", "venue"].map((name) => element("span", name)));
    return node;
  }
}
