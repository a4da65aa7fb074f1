// Small parts of every panel: elements, texts, buttons that wait, the marks of changed cells.

const RETRY_MS = 2000;
const FLASH_MS = 800;
const FLASHES_A_SECOND = 5;

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
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    if (isWaiting(button)) return;
    wait(button, true);
    setTimeout(() => wait(button, false), RETRY_MS);
    press(button);
  });
  return button;
}

// Marks changed cells for a moment: a few in a second, and none for a person whose system asks for
// reduced motion. Painting the marks costs more than drawing the values.
class Flashes {
  constructor() {
    this.recent = [];
    this.reduced = matchMedia("(prefers-reduced-motion: reduce)");
  }

  flash(cell) {
    if (this.reduced.matches || !cell?.isConnected) return;
    const now = performance.now();
    this.recent = this.recent.filter((t) => now - t < 1000);
    if (this.recent.length >= FLASHES_A_SECOND) return;
    this.recent.push(now);
    // `animate` starts anew by itself. A class that is taken off and put on again needs a layout in
    // between.
    const ring = (colour) => ({ boxShadow: `inset 0 0 0 2px ${colour}` });
    cell.animate([ring("var(--flash)"), ring("transparent")], FLASH_MS);
  }
}
