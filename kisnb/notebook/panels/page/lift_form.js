// The button beside the trading state that lifts a halt or ends a flatten, and its form: a reason,
// then one press. kill_button.py words both. What is lifted is the state that was seen.

class LiftForm {
  // `head` is the line above the tables, over whose lower edge the form opens.
  constructor(head, awake) {
    this.head = head;
    this.awake = awake;
    this.words = null;
    this.opens = repeatable("small lift", "", () => (this.form ? this.close() : this.open()));
    this.opens.hidden = true;
  }

  draw(words) {
    if (this.words?.of === words?.of && (this.words === null) === (words === null)) return;
    this.words = words;
    // The form asked about another state.
    if (this.form) this.close();
    this.opens.hidden = words === null;
    write(this.opens, words?.open ?? "");
    this.opens.title = words?.tip ?? "";
  }

  open() {
    const { words } = this;
    const form = (this.form = element("form", "lift"));
    const reason = element("input");
    reason.placeholder = words.lead;
    reason.setAttribute("aria-label", words.lead);
    reason.autocomplete = "off";
    const ready = words.reasons.map((text) => repeatable("small", text, () => (reason.value = text)));
    const go = pressable(words.go, words.tip, () => {
      if (!reason.value.trim()) {
        wait(go, false);
        return reason.focus();
      }
      this.awake.send({ kind: "lift", of: words.of, reason: reason.value });
      this.close();
    });
    go.classList.add("go");
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
    form.append(words.lead, reason, ...ready, go, pressable(words.back, "", () => this.close()));
    this.head.append(form);
    reason.focus({ preventScroll: true });
  }

  close() {
    this.form.remove();
    this.form = null;
    if (!this.opens.hidden) this.opens.focus({ preventScroll: true });
  }
}
