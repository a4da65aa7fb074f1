// A panel of the desk: draws the sentences, the tables and the other parts that desk_panel.py sends.
// Python decides what is shown and words it. The other files of this folder stand before this one.

const STALE_MS = 4000;
const SETTLE_EVERY_MS = 500;
const FRAME_MS = 1000;
const ENDING = new Set(["cancel", "stop", "pause", "flatten", "off"]);
const PARTS = { depth: DepthPart, tape: TapePart, ticket: TicketPart, chart: ChartPart };

function render({ model: widget, el, signal }) {
  const { parts: named, head, layout, files, asleep, ended, colours } = widget.get("shown");
  const root = element("div", `kisnb-desk ${layout}`);
  root.dataset.colours = colours;
  const release = keepKeys(root);
  const header = {};
  const top = {};
  let seq = null;
  let frame = 0;
  let asked = 0; // when the frame was asked for
  let heard = performance.now();
  let own = []; // notices of this view: its HALT button's, gone when the trading state changes
  let passing = false; // the kernel sends the same as `own`, once it sends again
  let stale = ""; // why what stands here may be old
  let blocked = false; // the kernel has sent which line blocks it: no need to count seconds
  let gone = false; // the kernel of this panel has ended
  let probe = STALE_MS; // after this silence the next question whether the kernel is gone

  // JupyterLab marks a widget whose kernel was restarted. A kernel that died or was shut down is
  // found when a message cannot be sent.
  const isGone = () => (gone ||= root.closest(".jupyter-widgets-disconnected") !== null);
  const model = {
    get: (name) => widget.get(name),
    on: (name, receiver) => widget.on(name, receiver),
    off: (name, receiver) => widget.off(name, receiver),
    send(content) {
      if (isGone()) return redraw();
      try {
        widget.send(content);
      } catch {
        gone = true;
        redraw();
      }
    },
  };

  // One frame for many messages. A frame that does not come is asked for anew: a hidden tab has none.
  const redraw = () => {
    const now = performance.now();
    if (frame && now - asked < FRAME_MS) return;
    cancelAnimationFrame(frame);
    asked = now;
    frame = requestAnimationFrame(() => drawWithFocus(root, draw));
  };
  const say = (notices, untilNews = false) => {
    own = notices;
    passing = untilNews;
    redraw();
  };
  const hears = () => seq !== null && performance.now() - heard < STALE_MS;
  const kill = head === "whole" ? new KillButton(model, say, hears, isGone) : null;
  const facts = element("div", "facts");
  for (const name of ["badge", "label", "clock", "link"]) {
    facts.append((top[name] = element("span", name)));
  }
  top.account = element("div", "account");
  top.trading = element("div", "trading");
  top.trading.setAttribute("role", "status");
  top.notices = element("div", "notices");
  const news = element("div", "news");
  const state = element("div", "state");
  state.append(top.trading);
  news.append(state, top.notices);
  const line = element("header", head);
  if (kill) line.append(kill.node, facts, top.account, news);
  else line.append(facts, news);
  const flashes = new Flashes();
  const ask = () => {
    seq = null;
    model.send({ kind: "ready" });
  };
  // A kernel that does not answer would do later what is pressed now, at another price. Only what
  // ends something may wait for it.
  const awake = {
    send: (content) => (stale ? say([{ kind: "failed", text: asleep }]) : model.send(content)),
  };
  const lift = kill ? new LiftForm(line, awake) : null;
  if (lift) state.append(lift.opens);
  const page = Math.random(); // names this view: each answer of the kernel goes to all pages
  const parts = {};
  const box = new AgentBox(model);
  let tables = null;
  let starts = null; // the form that starts an agent
  for (const words of named) {
    if (words.kind === "table") {
      const press = (action, key, typed, button) => {
        if (words.name === "agents" && action === "show") return void (button && box.open(key, button));
        if (action === "step") return awake.send({ kind: "step", key, page, ...typed });
        (ENDING.has(action) ? model : awake).send({
          kind: "press", table: words.name, action, key, typed: typed ?? {},
        });
      };
      tables ??= Promise.all([library(model, files.tables), library(model, files.tables_css)]).then(
        ([module]) => module,
      );
      // Without the library there is nothing to draw, and a cure.
      tables.catch(() => say([{ kind: "failed", text: words.missing }]));
      const table = (parts[words.name] = new Table(words, press, ask, tables, flashes));
      if (words.start) starts = new StartForm(table, words.start, awake, page);
    } else parts[words.name] = new PARTS[words.kind](words, model, awake, files, say);
  }
  const body = element("div", "parts");
  for (const [name, part] of Object.entries(parts)) {
    part.node.classList.add("part");
    part.node.style.gridArea = name;
    body.append(part.node);
  }
  root.append(line, body);
  el.append(root);

  function draw() {
    frame = 0;
    const why = isGone() ? ended.kernel : header.closed ? ended.session : "";
    const old = why ? fill(why, { time: header.clock ?? "" }) : stale;
    root.dataset.mode = header.mode ?? "";
    root.classList.toggle("stale", old !== "");
    root.classList.toggle("ended", why !== "");
    // What cannot work is offered to nobody: no click, and no stop of the tab key.
    for (const part of Object.values(parts)) part.node.inert = why !== "" && part.needsKernel;
    if (top.badge.innerHTML !== header.badge) top.badge.innerHTML = header.badge ?? "";
    for (const name of ["label", "clock"]) write(top[name], header[name] ?? "");
    write(top.link, gone ? ended.link : header.link ? `link ${header.link}` : "");
    top.link.className = `link ${gone ? "bad" : (header.link_tone ?? "")}`;
    drawAccount(header.account ?? []);
    write(top.trading, header.trading?.text ?? "");
    top.trading.className = `trading ${header.trading?.tone ?? ""}`;
    const first = old ? [{ kind: "now", text: old }] : [];
    const lines = [...first, ...own, ...(header.notices ?? [])];
    while (top.notices.children.length > lines.length) top.notices.lastChild.remove();
    lines.forEach((notice, i) => {
      const node = top.notices.children[i] ?? top.notices.appendChild(element("div"));
      node.className = `notice ${notice.kind}`;
      write(node, notice.text);
    });
    kill?.draw();
    lift?.draw(header.lift ?? null);
    for (const part of Object.values(parts)) part.draw();
  }

  function drawAccount(figures) {
    figures.forEach((figure, i) => {
      const node = top.account.children[i] ?? top.account.appendChild(element("span"));
      if (!node.firstChild) node.append(element("small"), " ", element("b"));
      write(node.firstChild, figure.name);
      write(node.lastChild, figure.text);
      node.lastChild.className = figure.tone;
      node.title = figure.tip;
    });
  }

  function receive(message) {
    if (message.kind === "blocked") {
      blocked = true;
      stale = message.text;
      redraw();
      return;
    }
    heard = performance.now();
    probe = STALE_MS;
    if (stale || (passing && own.length)) redraw();
    if (passing || (seq !== null && message.header?.trading)) own = [];
    stale = "";
    blocked = false;
    if (message.colours && message.colours !== root.dataset.colours) {
      root.dataset.colours = message.colours;
      for (const part of Object.values(parts)) part.paint?.();
    }
    if (message.kind === "agent") return box.receive(message);
    if (message.kind === "classes") return starts?.receive(message);
    if (message.kind === "started") return starts?.started(message);
    if (message.kind === "stepped") {
      if (message.page !== page) return;
      return void (message.table === "agents" ? starts : parts[message.table])?.stepped(message);
    }
    if (message.kind === "candles") {
      for (const part of Object.values(parts)) part.candles?.(message);
      return;
    }
    if (message.kind === "snapshot") {
      for (const [name, table] of Object.entries(message.tables)) {
        parts[name].reset(table.columns, table.rows);
      }
      for (const [name, state] of Object.entries(message.views)) parts[name].apply(state, true);
    } else if (message.kind === "delta") {
      if (seq === null || message.seq <= seq) return;
      if (message.seq !== seq + 1) return ask();
      for (const [name, delta] of Object.entries(message.tables)) parts[name].apply(delta);
      for (const [name, state] of Object.entries(message.views)) parts[name].apply(state, false);
    } else {
      // The newest number: a change was lost, and the market is quiet since.
      if (message.kind === "beat" && seq !== null && message.seq > seq) ask();
      return;
    }
    seq = message.seq;
    Object.assign(header, message.header);
    if (kill) [kill.face, kill.ways] = [header.kill, header.ways];
    redraw();
  }

  const watch = setInterval(() => {
    const silent = performance.now() - heard;
    if (silent < STALE_MS) box.ask();
    if (isGone()) return void (root.classList.contains("ended") || redraw());
    if (silent < STALE_MS || header.closed) return;
    if (silent >= probe) {
      // The kernel does nothing with this message. It is rare, because it waits while a cell blocks.
      probe = 2 * silent;
      model.send({ kind: "probe" });
    }
    if (blocked) return;
    stale = fill(header.silent ?? "", { n: Math.round(silent / 1000) });
    redraw();
  }, 1000);
  const settle = setInterval(() => {
    for (const part of Object.values(parts)) part.settle?.();
  }, SETTLE_EVERY_MS);
  const end = () => {
    clearInterval(watch);
    clearInterval(settle);
    cancelAnimationFrame(frame);
  };
  model.on("msg:custom", receive);
  const unwatch = kill?.watch();
  signal?.addEventListener("abort", end);
  ask();
  return () => {
    end();
    release();
    for (const part of Object.values(parts)) part.end?.();
    unwatch?.();
    model.off("msg:custom", receive);
  };
}

export default { render };
