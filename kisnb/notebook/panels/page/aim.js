// Where the pointer rests over the rows of a table, and what a press there means. Rows may come, go
// or grow under a resting pointer. A press right after that was meant for the button that was under
// the pointer before: for a moment it counts for that one, and never for one that slid there.

const AIM_MS = 1000; // a pointer that has moved in this time is on its way to a button
const REST_MS = 5000; // a pointer that rests on a button holds rows back for this long
const SLID_MS = 1000; // a person needs this long to see that another button lies under the pointer

class Aim {
  // `place` has the rows. `meant` is called with the key and the name of the button that a press was
  // meant for, when another one lies there now.
  constructor(place, meant) {
    this.place = place;
    this.meant = meant;
    this.pointer = null; // where it is over the rows, and when it last moved
    this.drawn = 0; // when rows came or went under it
    this.under = null; // the button under it that was found last: its key and name
    this.before = null; // the one that lay there before rows moved, and when that was found
    this.swallows = false; // the click that follows counts for nothing
    place.addEventListener("pointermove", ({ clientX, clientY }) => this.move(clientX, clientY));
    place.addEventListener("pointerleave", () => this.leave());
    // A wheel moves the rows under the pointer, and a person sees where they stop.
    place.addEventListener("wheel", () => this.pointer && this.restart(), { passive: true });
    place.addEventListener("pointerdown", (event) => this.press(event), true);
    for (const name of ["mousedown", "click"]) {
      place.addEventListener(name, (event) => this.swallow(event), true);
    }
  }

  // The button under the pointer. An object without a key: there is none.
  find({ x, y } = this.pointer) {
    const at = this.place.getRootNode().elementFromPoint?.(x, y);
    const button = at?.closest?.("button[data-key]");
    if (!button || !this.place.contains(button)) return { key: null, name: null };
    return { key: button.dataset.key, name: button.dataset.action };
  }

  leave() {
    this.pointer = this.under = this.before = null;
  }

  restart() {
    Object.assign(this.pointer, { at: performance.now() });
    this.under = this.before = null;
  }

  move(x, y) {
    const at = performance.now();
    if (!this.pointer) {
      this.pointer = { x, y, at, from: { x, y } };
      return;
    }
    this.look();
    const { from } = this.pointer;
    const isFar = Math.hypot(x - from.x, y - from.y) > SAME_PLACE;
    this.pointer = { x, y, at, from: isFar ? { x, y } : from };
    // The hand trembles: the same button, at another pixel. Anything else is a new aim.
    const now = this.find();
    if (!isFar && this.under && isSame(now, this.under)) return;
    this.under = now;
    this.before = null;
  }

  // Finds out whether another button lies under the pointer than before. Called before each change
  // of the rows, now and then, and by a press.
  look() {
    if (!this.pointer) return;
    const now = this.find();
    if (this.under && !isSame(now, this.under)) {
      const at = performance.now();
      // Rows that move on at once do not make the first button older: it is still what was seen.
      const old = this.before && at - this.before.at < SLID_MS ? this.before : this.under;
      this.before = { ...old, at };
    }
    this.under = now;
  }

  // Whether rows must wait: a person aims at a button, or rests on one, but not for ever.
  holds() {
    if (!this.pointer) return false;
    const now = performance.now();
    if (now - this.pointer.at < AIM_MS) return true;
    return now - Math.max(this.pointer.at, this.drawn) < REST_MS && this.find().key !== null;
  }

  // Rows came or went.
  applied() {
    if (this.pointer) this.drawn = performance.now();
  }

  press(event) {
    this.swallows = false;
    if (event.button !== 0 || !event.isPrimary) return;
    this.move(event.clientX, event.clientY);
    const { before } = this;
    if (!before || performance.now() - before.at >= SLID_MS) return;
    this.swallows = true;
    event.stopPropagation();
    // Once: the second click of a double click was meant for the same.
    if (before.isDone || before.key === null) return;
    const end = (up) => {
      removeEventListener("pointerup", end, true);
      removeEventListener("pointercancel", end, true);
      const moved = Math.hypot(up.clientX - event.clientX, up.clientY - event.clientY);
      if (up.type !== "pointerup" || moved > SAME_PLACE) return;
      before.isDone = true;
      this.meant(before.key, before.name);
    };
    addEventListener("pointerup", end, true);
    addEventListener("pointercancel", end, true);
  }

  swallow(event) {
    if (!this.swallows || !event.isTrusted) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.type === "click") this.swallows = false;
  }
}

const isSame = (a, b) => a.key === b.key && a.name === b.name;
