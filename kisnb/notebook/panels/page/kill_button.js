// The HALT button. JupyterLab's server halts the desk, so that it works while the kernel spins. Its
// words come from kill_button.py. desk_panel.py puts this file before desk_panel.js.

// A page that has just been drawn or moved may put the button under a click that was meant for
// something else.
const SETTLE_MS = 3000;
const CONFIRM_MS = 4000;
const NO_ANSWER_MS = 5000;

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const time = () => new Date().toLocaleTimeString("en-GB");

class KillButton {
  // `say` shows notices of this view. With true they stay until the kernel sends its own. `hears`
  // says whether the kernel's messages arrive, `isGone` whether the kernel has ended.
  constructor(model, say, hears, isGone) {
    this.model = model;
    this.say = say;
    this.hears = hears;
    this.isGone = isGone;
    this.mode = model.get("kill").mode;
    this.words = model.get("kill").words;
    this.face = model.get("kill").face;
    this.ways = this.words.else;
    this.settled = Infinity;
    this.confirm = 0; // until when a press is the second one
    this.sending = 0; // until when the press before waits for its answer
    this.node = element("button", "kill");
    this.node.type = "button";
    this.node.addEventListener("click", () => this.press());
    // A key that is held down repeats its click; a press is one press.
    this.node.addEventListener("keydown", (event) => event.repeat && event.preventDefault());
    this.draw();
  }

  // From now on the button is in sight; it counts as moved whenever it comes into sight again.
  watch() {
    const moved = () => (this.settled = performance.now() + SETTLE_MS);
    const seen = new IntersectionObserver(
      (entries) => entries.some((e) => e.isIntersecting) && moved(),
      { threshold: 0.5 },
    );
    seen.observe(this.node);
    document.addEventListener("visibilitychange", moved);
    moved();
    return () => {
      seen.disconnect();
      document.removeEventListener("visibilitychange", moved);
      clearTimeout(this.redraw);
    };
  }

  draw() {
    const now = performance.now();
    const asks = now < this.confirm;
    const waiting = asks ? this.words.press_again : this.face.label;
    const label = now < this.sending ? this.words.sending : waiting;
    write(this.node, label);
    this.node.classList.toggle("asks", asks);
    this.node.classList.toggle("told", !asks && this.face.asks !== "");
    this.node.title = this.face.tip;
    this.node.setAttribute("aria-label", `${label}. ${this.face.tip}`);
  }

  press() {
    const now = performance.now();
    if (now < this.sending) return;
    const why = this.hears() && this.face.asks;
    if (now < this.confirm || (!why && now >= this.settled)) return this.pull();
    this.confirm = now + CONFIRM_MS;
    clearTimeout(this.redraw);
    this.redraw = setTimeout(() => (this.say([]), this.draw()), CONFIRM_MS + 50);
    this.say([{ kind: "now", text: why || this.words.press_again_why }]);
    this.draw();
  }

  async pull() {
    clearTimeout(this.redraw);
    this.confirm = 0;
    const mine = (this.sending = performance.now() + NO_ANSWER_MS);
    const pressed = time();
    this.say([]);
    this.draw();
    const late = setTimeout(() => {
      this.fail("no_answer", { time: pressed, n: NO_ANSWER_MS / 1000 });
      this.draw();
    }, NO_ANSWER_MS);
    try {
      await this.send(pressed);
    } finally {
      clearTimeout(late);
      if (this.sending === mine) this.sending = 0;
      this.draw();
    }
  }

  async send(pressed) {
    let reply, body;
    try {
      reply = await this.post();
      body = await reply.json().catch(() => ({}));
    } catch {
      return this.fail("gone", { time: pressed }, true);
    }
    // A page to sign in on is an answer too, and no halt.
    if (reply.ok && Array.isArray(body.notices)) return this.say(body.notices, true);
    const missing = reply.status === 404;
    if (body.message && !missing) {
      return this.fail("failed", { time: pressed, message: body.message }, true);
    }
    this.fail(missing ? "missing" : "refused", { time: pressed, n: reply.status }, true);
  }

  fail(word, values, ask = false) {
    const asks = ask && !this.isGone();
    const also = asks ? [{ kind: "now", text: this.words.kernel }] : [];
    const failed = { kind: "failed", text: fill(this.words[word], values) };
    this.say([failed, { kind: "now", text: this.ways }, ...also]);
    if (asks) this.model.send({ kind: "halt" });
  }

  post() {
    const config = document.getElementById("jupyter-config-data");
    const base = config ? (JSON.parse(config.textContent).baseUrl ?? "/") : "/";
    const token = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] ?? "";
    return fetch(`${base}kisnb/halt`, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-XSRFToken": token },
      body: JSON.stringify({ mode: this.mode, reason: "the panel's button" }),
    });
  }
}
