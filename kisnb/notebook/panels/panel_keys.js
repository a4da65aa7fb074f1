// Keeps the keys that are pressed in a panel away from the notebook around it. JupyterLab is in
// command mode while the focus is in an output: d d would delete the cell, 0 0 restart the kernel.
// desk_panel.py puts this file before desk_panel.js.

// JupyterLab passes a key over when the focused element itself has this attribute. The attribute on
// an element around it does nothing.
const KEEPS_KEYS = "data-lm-suppress-shortcuts";

// A click on any place of the panel gives the panel the focus, so that no key after it is the
// notebook's.
function keepKeys(root) {
  root.tabIndex = -1;
  root.addEventListener("focusin", (event) => event.target.setAttribute(KEEPS_KEYS, "true"));
}

// Draws, and leaves the focus in the panel. A button that disappears under the focus would hand it
// back to the page.
function drawWithFocus(root, draw) {
  const focused = root.contains(document.activeElement) ? document.activeElement : null;
  draw();
  if (!focused || focused === document.activeElement) return;
  focused.focus({ preventScroll: true });
  if (document.activeElement !== focused) root.focus({ preventScroll: true });
}
