// One agent in lines, in a box over its row: state, parameters, order book, decisions, and why it
// does nothing. agent_snapshot.py words it. The box asks for it anew each second while it is open.

class AgentBox {
  constructor(model) {
    this.model = model;
    this.id = null;
    this.node = element("section", "agent-box");
    this.node.setAttribute("role", "dialog");
    this.title = element("b");
    this.back = pressable("back", "", () => this.close());
    this.lines = element("pre");
    const head = element("div", "title");
    head.append(this.title, this.back);
    this.node.append(head, this.lines);
    this.node.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
  }

  open(id, button) {
    const table = button.closest("section.table");
    const row = button.closest(".tabulator-row").getBoundingClientRect();
    this.id = id;
    this.node.style.top = `${row.bottom - table.getBoundingClientRect().top}px`;
    this.title.textContent = id;
    this.lines.textContent = "";
    wait(button, false);
    wait(this.back, false);
    table.append(this.node);
    this.back.focus({ preventScroll: true });
    this.ask();
  }

  ask() {
    if (this.id !== null) this.model.send({ kind: "agent", id: this.id });
  }

  // The answer goes to every page with this panel. Only the one that shows the agent takes it.
  receive({ id, text }) {
    if (id !== this.id) return;
    const [first, ...lines] = text.split("\n");
    write(this.title, first);
    write(this.lines, lines.join("\n"));
  }

  close() {
    this.id = null;
    const holder = this.node.closest("section.table")?.querySelector(".tabulator-tableholder");
    this.node.remove();
    holder?.focus({ preventScroll: true });
  }
}
