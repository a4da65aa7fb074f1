// Small parts of every panel: elements, texts, buttons that wait, the marks of changed cells.

const RETRY_MS = 2000;
const FRESH_MS = 700; // longer than the gap between the two clicks of a double click
const SAME_PLACE = 6; // pixels that a hand moves the mouse while it presses a button
const FLASH_MS = 800;
const FLASHES_A_SECOND = 5;
const ROWS_MS = 50; // longer than the timers of zero that the tables set to build themselves

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

// Waits until the tables with rows are on the page. A person waits for those rows. The chart and each
// empty table take as much of the page's time, so they come after them.
const afterRows = () =>
  new Promise((done) => {
    const painted = () => requestAnimationFrame(() => setTimeout(done));
    setTimeout(() => requestAnimationFrame(painted), ROWS_MS);
  });

// A button that waits for its answer takes no click. It is not `disabled`, because the browser takes
// the focus from a disabled button, and the next key would be the notebook's.
const isWaiting = (button) => button.getAttribute("aria-disabled") === "true";
const wait = (button, waits) => button.setAttribute("aria-disabled", String(waits));

// A button that is pressed once. A second click would ask for the same once more. The timer serves
// for a lost message.
function pressable(text, tip, press) {
  const button = element("button", "small", text);
  button.type = "button";
  button.title = tip;
  const pressed = () => {
    if (isWaiting(button)) return;
    wait(button, true);
    setTimeout(() => wait(button, false), RETRY_MS);
    press(button);
  };
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    pressed();
  });
  button.addEventListener("pointerdown", (event) => keepPress(button, event, pressed));
  return button;
}

// A button that may be pressed again and again.
function repeatable(className, text, press) {
  const button = element("button", className, text);
  button.type = "button";
  button.addEventListener("click", press);
  return button;
}

// The two arrows beside a field, down and up. `step` is called with -1 or 1.
function arrowsOf(step, tips = ["", ""]) {
  return [-1, 1].map((n, i) => {
    const button = repeatable("small step", n < 0 ? "▼" : "▲", () => step(n));
    button.title = tips[i];
    return button;
  });
}

// The arrows of a field whose next text the kernel knows. `ask` is called with -1 or 1. A press waits
// for the answer to the press before it, because it begins with the text of that answer.
class Steps {
  constructor(input, ask) {
    this.input = input;
    this.ask = ask;
    this.waiting = []; // the first one is asked for
    this.askedAt = 0;
    this.arrows = arrowsOf((n) => this.press(n));
  }

  press(n) {
    // An answer that did not come is not waited for: the kernel may have been away.
    if (performance.now() - this.askedAt > RETRY_MS) this.waiting = [];
    this.waiting.push(n);
    if (this.waiting.length === 1) this.next();
  }

  next() {
    this.askedAt = performance.now();
    this.ask(this.waiting[0]);
  }

  answered(text) {
    this.input.value = text;
    this.waiting.shift();
    if (this.waiting.length) this.next();
  }
}

// The browser gives no click when the button that the pointer went down on is replaced or moved
// before the pointer goes up. The press was meant for that button, so it counts all the same.
function keepPress(button, down, pressed) {
  if (down.button !== 0 || !down.isPrimary) return;
  const end = (up) => {
    removeEventListener("pointerup", end, true);
    removeEventListener("pointercancel", end, true);
    const moved = Math.hypot(up.clientX - down.clientX, up.clientY - down.clientY);
    if (up.type !== "pointerup" || moved > SAME_PLACE) return;
    if (!button.contains(up.target)) pressed();
  };
  addEventListener("pointerup", end, true);
  addEventListener("pointercancel", end, true);
}

// A new button may stand where another one was pressed. So for a moment it takes no click: the second
// click of a double click was meant for the other one.
function waitFresh(button) {
  wait(button, true);
  setTimeout(() => wait(button, false), FRESH_MS);
}

// Draws the buttons of these names into a place. A button that stays keeps its focus. `make` makes a
// button by its name.
function drawButtons(place, names, make) {
  const isNew = !place.firstElementChild;
  for (const button of [...place.children]) {
    if (!names.includes(button.dataset.action)) button.remove();
  }
  names.forEach((name, i) => {
    const at = place.children[i];
    if (at?.dataset.action === name) return;
    const button = make(name);
    button.dataset.action = name;
    place.insertBefore(button, at ?? null);
    if (!isNew) waitFresh(button);
  });
}

// Marks changed cells for a moment: a few in a second, and none for a person whose system asks for
// reduced motion. A mark that fades would be painted in each frame, which takes a quarter of a core
// while ten agents trade. This one is painted when it comes and when it goes.
class Flashes {
  constructor() {
    this.recent = [];
    this.ends = new WeakMap(); // the timer that ends the mark of a cell
    this.reduced = matchMedia("(prefers-reduced-motion: reduce)");
  }

  flash(cell) {
    if (this.reduced.matches || !cell?.isConnected) return;
    const now = performance.now();
    this.recent = this.recent.filter((t) => now - t < 1000);
    if (this.recent.length >= FLASHES_A_SECOND) return;
    this.recent.push(now);
    cell.classList.add("flash");
    clearTimeout(this.ends.get(cell));
    this.ends.set(cell, setTimeout(() => cell.classList.remove("flash"), FLASH_MS));
  }
}
