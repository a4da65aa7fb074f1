// Keeps the keys that are pressed in a panel away from the notebook around it. JupyterLab is in
// command mode while the focus is in an output: d d would delete the cell, 0 0 restart the kernel.
// desk_panel.py puts this file before the others.

// JupyterLab passes a key over when the focused element itself has this attribute. The attribute on
// an element around it does nothing.
const KEEPS_KEYS = "data-lm-suppress-shortcuts";

// A click on any place of the panel gives the panel the focus, so that no key after it is the
// notebook's. Returns a function that ends that.
function keepKeys(root) {
  root.tabIndex = -1;
  let focused = null;
  root.addEventListener("focusin", (event) => {
    focused = event.target;
    focused.setAttribute(KEEPS_KEYS, "true");
  });
  root.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !root.contains(event.relatedTarget)) focused = null;
  });
  // A table takes rows that scroll out of sight off the page. The browser would give the focus of a
  // button in them to the page.
  const gone = new MutationObserver(() => {
    if (!focused || focused.isConnected || !root.isConnected) return;
    if (document.activeElement === document.body) root.focus({ preventScroll: true });
  });
  gone.observe(root, { childList: true, subtree: true });
  return () => gone.disconnect();
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
