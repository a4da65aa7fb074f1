// A panel of the desk: draws the sentences, and the tables as rows and cell changes, that
// desk_panel.py sends. Python decides what is shown and words it. panel_keys.js, panel_table.js and
// kill_button.js stand before this file.

const STALE_MS = 4000;

function render({ model, el, signal }) {
  const { tables: shown, head } = model.get("shown");
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
  const kill = head === "whole" ? new KillButton(model, say, hears) : null;
  const facts = element("div", "facts");
  for (const name of ["badge", "label", "clock", "link"]) {
    facts.append((parts[name] = element("span", name)));
  }
  parts.account = element("div", "account");
  parts.trading = element("div", "trading");
  parts.trading.setAttribute("role", "status");
  parts.notices = element("div", "notices");
  const news = element("div", "news");
  news.append(parts.trading, parts.notices);
  const top = element("header", head);
  if (kill) top.append(kill.node, facts, parts.account, news);
  else top.append(facts, news);
  const flashes = new Flashes();
  const tables = {};
  for (const words of shown) {
    const press = (action, key) => model.send({ kind: "press", table: words.name, action, key });
    tables[words.name] = new Table(words, press, flashes);
  }
  root.append(top, ...Object.values(tables).map((table) => table.node));
  el.append(root);

  function draw() {
    frame = 0;
    root.dataset.mode = header.mode ?? "";
    root.classList.toggle("stale", stale !== "");
    if (parts.badge.innerHTML !== header.badge) parts.badge.innerHTML = header.badge ?? "";
    for (const name of ["label", "clock"]) write(parts[name], header[name] ?? "");
    write(parts.link, header.link ? `link ${header.link}` : "");
    parts.link.className = `link ${header.link_tone ?? ""}`;
    drawAccount(header.account ?? []);
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
    kill?.draw();
    for (const table of Object.values(tables)) table.draw();
  }

  function drawAccount(figures) {
    figures.forEach((figure, i) => {
      const node = parts.account.children[i] ?? parts.account.appendChild(element("span"));
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
    if (kill) [kill.face, kill.ways] = [header.kill, header.ways];
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
  const unwatch = kill?.watch();
  signal?.addEventListener("abort", () => clearInterval(watch));
  ask();
  return () => {
    clearInterval(watch);
    cancelAnimationFrame(frame);
    flashes.end();
    unwatch?.();
    model.off("msg:custom", receive);
  };
}

export default { render };
