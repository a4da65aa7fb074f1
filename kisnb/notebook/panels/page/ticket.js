// The order ticket. ticket.py reads each field, words everything and decides; this draws it, and
// sends what is typed and pressed.

class TicketPart {
  constructor(words, _model, awake) {
    this.awake = awake;
    this.words = words;
    this.state = {};
    this.changed = false;
    this.needsKernel = true;
    this.revision = null;
    this.typed = new Map(); // what was typed here and has not come back from the kernel
    this.node = element("section", "ticket");
    this.node.dataset.part = words.name;
    const title = element("div", "title");
    title.append(element("h4", "", words.title));
    this.armed = element("div", "armed");
    this.search = this.input("search", "stock: name, code or initials");
    this.search.setAttribute("role", "combobox");
    this.found = element("div", "found");
    this.opened = false; // the list of stocks is open in this page
    this.entered = ""; // what was typed when Enter was pressed; it chooses once the kernel answers
    this.search.addEventListener("click", () => this.open(true));
    this.search.addEventListener("input", () => {
      this.entered = "";
      this.open(true);
    });
    // A press on anything else closes the list, which covers the fields below it.
    this.node.ownerDocument.addEventListener("pointerdown", (this.away = ({ target }) => {
      if (target !== this.search && !this.found.contains(target)) this.open(false);
    }), true);
    this.stock = element("div", "stock");
    this.name = element("b");
    this.last = element("span");
    this.stock.append(this.name, this.last);
    this.sides = ["buy", "sell"].map((side) => this.choice("side", side));
    const sides = element("div", "sides");
    sides.append(...this.sides);
    this.kind = this.select("kind");
    this.price = this.input("price", "price, won");
    const [down, up] = this.arrows("price");
    const price = element("div", "joined");
    price.append(down, this.price, up);
    this.quantity = this.input("quantity", "quantity");
    this.unit = this.select("unit", ["shares", "won"]);
    this.most = pressable("most", "As many shares as can be ordered", (button) => {
      wait(button, false);
      this.send({ most: true });
    });
    const quantity = element("div", "joined");
    quantity.append(this.spun(this.quantity), this.unit, this.most);
    this.venue = this.select("venue");
    this.exits = ["stop", "take", "trail"].map((name) => this.input(name, words.exits[name]));
    const exits = element("div", "joined exits");
    exits.append(...this.exits.map((node) => this.spun(node)));
    const fields = element("div", "fields");
    this.rows = {};
    for (const [label, node] of [
      ["kind", this.kind],
      ["price", price],
      ["quantity", quantity],
      ["venue", this.venue],
      ["exit", exits],
    ]) {
      const name = element("label", "", label);
      fields.append(name, node);
      this.rows[label] = [name, node];
    }
    this.can = element("div", "can");
    this.sum = element("div", "sum");
    this.route = element("div", "route");
    this.whatIf = element("div", "what-if");
    this.warnings = element("div", "warnings");
    this.review = pressable("review", words.review, (button) => {
      wait(button, false);
      this.send({ review: true });
    });
    this.review.classList.add("main");
    this.question = element("div", "question");
    this.asked = element("div");
    this.confirm = pressable("send", words.confirm, () =>
      this.send({ confirm: this.state.question?.[0] ?? "" }),
    );
    this.confirm.classList.add("main");
    const back = pressable("back", "", (button) => {
      wait(button, false);
      this.send({ back: true });
    });
    const answers = element("div", "sides");
    answers.append(this.confirm, back);
    this.question.append(this.asked, answers);
    this.result = element("div", "result");
    this.result.setAttribute("role", "status");
    this.arming = this.armForm(words);
    this.node.append(title, this.armed, this.arming, this.search, this.found, this.stock, sides);
    this.node.append(fields, this.can, this.sum, this.warnings, this.review, this.question, this.result);
    this.node.append(this.route, this.whatIf);
    this.node.addEventListener("keydown", (event) => this.key(event));
  }

  send(content) {
    this.awake.send({ kind: "ticket", ...content });
  }

  set(name, value) {
    this.typed.set(name, value);
    this.send({ set: { [name]: value } });
  }

  input(name, hint) {
    const node = element("input");
    node.name = name;
    node.placeholder = hint;
    node.setAttribute("aria-label", hint);
    node.autocomplete = "off";
    node.spellcheck = false;
    // Also while a Korean syllable is being composed: initials are searched as they are typed.
    node.addEventListener("input", () => this.set(name, node.value));
    return node;
  }

  select(name, values = []) {
    const node = element("select");
    node.name = name;
    node.setAttribute("aria-label", name);
    this.fill(node, values);
    node.addEventListener("change", () => this.set(name, node.value));
    return node;
  }

  fill(node, values) {
    const key = values.join(" ");
    if (node.dataset.values === key) return;
    node.dataset.values = key;
    const chosen = node.value;
    node.replaceChildren(...values.map((value) => new Option(value || "router chooses", value)));
    if (values.includes(chosen)) node.value = chosen;
  }

  choice(name, value) {
    return repeatable(`side ${value}`, value, () => this.send({ set: { [name]: value } }));
  }

  arrows(name) {
    return arrowsOf((n) => this.send({ step: n, of: name }), this.words.steps[name]);
  }

  // A field with two arrows at its edge.
  spun(input) {
    const place = element("div", "spun");
    const arrows = element("div", "arrows");
    arrows.append(...this.arrows(input.name).reverse());
    // The keys serve for these: a stop of the tab key for each would be a long way.
    for (const node of arrows.children) node.tabIndex = -1;
    place.append(input, arrows);
    return place;
  }

  end() {
    this.node.ownerDocument.removeEventListener("pointerdown", this.away, true);
  }

  open(opened) {
    if (this.opened === opened) return;
    this.opened = opened;
    this.drawFound();
  }

  armForm(words) {
    const form = element("form", "arming");
    const fields = ["tail", "minutes", "budget"].map((name) => {
      const node = element("input");
      node.name = name;
      node.placeholder = words.arming[name];
      node.setAttribute("aria-label", words.arming[name]);
      node.autocomplete = "off";
      if (name === "tail") node.type = "password";
      return node;
    });
    const arm = pressable("arm", words.arming.tip, () => {
      this.send({ arm: Object.fromEntries(fields.map((node) => [node.name, node.value])) });
      fields[0].value = "";
    });
    form.append(...fields, arm);
    form.addEventListener("submit", (event) => event.preventDefault());
    return form;
  }

  // Up and down step a price, a quantity or a percentage. Enter chooses the first stock found, or asks to review.
  key(event) {
    const at = event.target;
    const steps = at.name in this.words.steps;
    if (steps && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      this.send({ step: event.key === "ArrowUp" ? 1 : -1, of: at.name });
    } else if (at === this.search && event.key === "Enter") {
      this.entered = this.search.value;
      this.chooseFirst();
    } else if (at === this.search && event.key === "ArrowDown") {
      this.found.querySelector("button")?.focus();
    } else if (event.key === "Enter" && at.tagName === "INPUT" && !at.closest("form")) {
      this.send({ review: true });
    } else if (event.key === "Escape") {
      this.open(false);
      this.send({ back: true });
    } else return;
    event.preventDefault();
  }

  apply(state) {
    Object.assign(this.state, state);
    this.changed = true;
    this.chooseFirst();
  }

  // Enter chooses the first stock for what is typed. The list may still be that of an earlier text.
  chooseFirst() {
    if (!this.entered || this.state.fields?.search !== this.entered) return;
    const first = this.state.found?.[0];
    this.entered = "";
    if (!first) return;
    this.open(false);
    this.send({ choose: first[0] });
  }

  draw() {
    const state = this.state;
    if (!state.fields || !this.changed) return;
    this.changed = false;
    const { fields } = state;
    this.node.dataset.side = fields.side;
    this.node.classList.toggle("live", state.live);
    this.fill(this.kind, state.kinds);
    this.fill(this.venue, state.venues);
    this.drawFields(fields, state.revision);
    write(this.armed, state.armed);
    this.arming.hidden = !state.live;
    this.drawFound();
    const [name, last, tone] = state.stock;
    write(this.name, name);
    write(this.last, last);
    this.last.className = tone;
    for (const node of this.sides) {
      node.setAttribute("aria-pressed", String(node.textContent === fields.side));
    }
    this.price.disabled = !state.priced;
    for (const node of this.rows.exit) node.classList.toggle("gone", fields.side !== "buy");
    write(this.can, state.can);
    write(this.sum, state.sum || state.problem);
    this.sum.classList.toggle("problem", !state.sum && state.problem !== "");
    write(this.route, state.route);
    this.drawLines(this.whatIf, state.what_if, (node, [venue, text, chosen]) => {
      write(node, `${venue}: ${text}`);
      node.className = chosen ? "chosen" : "";
    });
    this.drawLines(this.warnings, state.warnings, write);
    const { question } = state;
    this.question.classList.toggle("shown", question !== null);
    this.review.classList.toggle("gone", question !== null);
    write(this.asked, question?.[1] ?? "");
    if (question && this.asking !== question[0]) {
      this.asking = question[0];
      write(this.confirm, `send: ${fields.side}`);
      waitFresh(this.confirm);
    }
    write(this.review, `review ${fields.side}`);
    const [kind, text] = state.result;
    write(this.result, text);
    this.result.className = `result ${kind}`;
  }

  // What is being typed here stays. A field that Python changed, or that was typed in another page,
  // is written: the order is the same for all pages.
  drawFields(fields, revision) {
    const isWritten = this.revision !== revision;
    this.revision = revision;
    if (isWritten) this.typed.clear();
    for (const node of this.node.querySelectorAll("[name]")) {
      const value = fields[node.name];
      if (value === undefined) continue;
      if (this.typed.get(node.name) === value) this.typed.delete(node.name);
      const isTyped = this.typed.has(node.name) || node === document.activeElement;
      if (node.value !== value && (isWritten || !isTyped)) node.value = value;
    }
  }

  drawLines(place, lines, draw) {
    while (place.children.length > lines.length) place.lastChild.remove();
    lines.forEach((line, i) => draw(place.children[i] ?? place.appendChild(element("div")), line));
  }

  drawFound() {
    const { found = [], suggested = [] } = this.state;
    const shown = this.opened ? (this.search.value.trim() ? found : suggested) : [];
    const key = JSON.stringify(shown);
    if (this.shownFound === key) return;
    this.shownFound = key;
    this.found.replaceChildren(
      ...shown.map(([code, name, board]) => {
        const node = repeatable("", "", () => {
          this.open(false);
          this.send({ choose: code });
        });
        node.append(element("b", "", name), element("span", "", code), element("small", "", board));
        return node;
      }),
    );
  }
}
