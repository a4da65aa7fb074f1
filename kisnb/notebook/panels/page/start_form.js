// The form that starts an agent: its class, then its parameters. agent_classes.py lists both, and
// desk_actions.py reads what is typed.

class StartForm {
  // `table` is the table of agents, `words` are the texts, `page` names this view.
  constructor(table, words, awake, page) {
    this.awake = awake;
    this.page = page;
    this.words = words;
    this.classes = [];
    this.steps = new Map(); // the arrows by the name of their field
    this.node = element("form", "start-form");
    this.node.addEventListener("submit", (event) => event.preventDefault());
    this.node.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") this.close();
      if (event.key === "Enter" && event.target.tagName === "INPUT") this.go.click();
    });
    this.opens = pressable(words.open, words.tip, (button) => {
      wait(button, false);
      if (this.node.isConnected) return this.close();
      this.awake.send({ kind: "classes", page });
    });
    this.opens.dataset.action = "start-form";
    this.table = table;
    table.head.append(this.opens);
    this.choice = element("div", "classes");
    this.about = element("pre");
    this.fields = element("div", "fields");
    this.go = pressable(words.go, words.go_tip, () => this.start());
    this.back = pressable(words.back, "", () => this.close());
    this.error = element("div", "bad");
    this.error.setAttribute("role", "status");
    const ends = element("div", "ends");
    ends.append(this.go, this.back, this.error);
    this.node.append(this.choice, this.about, this.fields, ends);
  }

  // The answer with the classes. Each has a button, so that all are seen at once.
  receive({ page, classes }) {
    if (page !== this.page) return;
    this.classes = classes;
    this.choice.replaceChildren(
      ...classes.map(({ name }) => repeatable("small", name, () => this.choose(name))),
    );
    wait(this.back, false);
    wait(this.go, false);
    this.table.node.append(this.node);
    this.choose(classes[0].name);
    this.choice.firstChild.focus({ preventScroll: true });
  }

  choose(name) {
    const chosen = this.classes.find((known) => known.name === name);
    this.chosen = chosen;
    for (const node of this.choice.children) {
      node.setAttribute("aria-pressed", String(node.textContent === name));
    }
    write(this.about, chosen.about);
    write(this.error, "");
    this.steps.clear();
    this.fields.replaceChildren(...chosen.parameters.map((parameter) => this.field(parameter)));
  }

  field({ name, text, kind }) {
    const place = element("label");
    const input = element("input");
    input.name = name;
    input.value = text;
    input.autocomplete = "off";
    input.spellcheck = false;
    place.append(element("span", "", name), input);
    if (kind === "number") {
      const steps = new Steps(input, (n) => this.step(input, n));
      this.steps.set(name, steps);
      place.append(...steps.arrows);
    }
    return place;
  }

  step(input, n) {
    const step = { kind: "step", table: "agents", key: "", name: input.name, text: input.value, n };
    this.awake.send({ ...step, page: this.page });
  }

  stepped({ name, text }) {
    this.steps.get(name)?.answered(text);
  }

  start() {
    const inputs = [...this.fields.querySelectorAll("input")];
    const typed = Object.fromEntries(inputs.map((input) => [input.name, input.value]));
    write(this.error, "");
    this.awake.send({ kind: "start", page: this.page, name: this.chosen.name, typed });
  }

  // The outcome of a start: it is shown here when it failed, and ends the form when it did not.
  started({ page, error }) {
    if (page !== this.page) return;
    wait(this.go, false);
    if (error) write(this.error, error);
    else this.close();
  }

  close() {
    this.node.remove();
    this.opens.focus({ preventScroll: true });
  }
}
