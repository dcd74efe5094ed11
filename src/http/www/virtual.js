// A list of which only what is in sight is in the page: a thousand rooms cost as much as thirty. It
// scrolls with the page itself, so the browser's zoom and a phone's address bar do what they do everywhere.

/** Rows that are kept above and below those in sight. */
const MARGIN = 6;

/** A list in `body`, an element with the role of a rowgroup in a grid.
 * `key(item)` names an item, `create(item)` makes its row, `update(row, item)` updates it,
 * `activate(item)` is what Enter does. `first` is the index of the first row for a screen reader. */
export class VirtualList {
  constructor(body, { key, create, update, activate, first = 2 }) {
    Object.assign(this, { body, key, create, update, activate, first });
    this.items = [];
    this.rows = new Map();
    this.at = null;
    this.height = 0;
    this.scheduled = false;
    // A click is lost when its row moves between press and release.
    this.pressed = false;
    this.next = null;
    this.release = () => {
      this.pressed = false;
      if (this.next) setTimeout(() => this.settle());
    };
    this.schedule = () => {
      if (this.scheduled) return;
      this.scheduled = true;
      requestAnimationFrame(() => { this.scheduled = false; this.render(); });
    };
    this.remeasure = () => { this.height = 0; this.schedule(); };
    addEventListener('scroll', this.schedule, { passive: true });
    this.watcher = new ResizeObserver(this.remeasure);
    this.watcher.observe(document.documentElement);
    this.watcher.observe(body);
    body.addEventListener('pointerdown', () => { this.pressed = true; });
    addEventListener('pointerup', this.release);
    addEventListener('pointercancel', this.release);
    body.addEventListener('keydown', event => this.keydown(event));
    body.addEventListener('focusin', event => {
      const row = event.target.closest('[role=row]');
      if (row) this.choose(row.dataset.key, false);
    });
  }

  /** Removes the list and its listeners. */
  close() {
    removeEventListener('scroll', this.schedule);
    removeEventListener('pointerup', this.release);
    removeEventListener('pointercancel', this.release);
    this.watcher.disconnect();
  }

  /** Shows these items, in this order; while a pointer is down, once it is up. */
  set(items) {
    this.next = items;
    if (!this.pressed) this.settle();
  }

  settle() {
    if (!this.next) return;
    this.items = this.next;
    this.next = null;
    this.render();
  }

  /** Returns the height of a row in pixels, from the style sheet at this zoom. */
  measure() {
    const probe = document.createElement('div');
    probe.className = 'row-probe';
    this.body.append(probe);
    this.height = probe.getBoundingClientRect().height || 40;
    probe.remove();
  }

  render() {
    if (!this.body.isConnected) return;
    if (!this.height) this.measure();
    const total = `${this.items.length * this.height}px`;
    if (this.body.style.height !== total) this.body.style.height = total;
    const top = this.body.getBoundingClientRect().top;
    const from = Math.max(0, Math.floor(-top / this.height) - MARGIN);
    const to = Math.min(this.items.length, Math.ceil((innerHeight - top) / this.height) + MARGIN);
    const wanted = new Set();
    const place = index => {
      const item = this.items[index];
      const key = this.key(item);
      wanted.add(key);
      this.place(key, item, index);
    };
    for (let index = from; index < to; index += 1) place(index);
    // The row that has the focus stays, wherever it is.
    const focused = this.rows.get(this.at)?.contains(document.activeElement) ? this.index() : -1;
    if (focused >= 0 && (focused < from || focused >= to)) place(focused);
    for (const [key, row] of this.rows) {
      if (wanted.has(key)) continue;
      row.remove();
      this.rows.delete(key);
    }
    this.reachable();
  }

  place(key, item, index) {
    let row = this.rows.get(key);
    if (!row) {
      row = this.create(item);
      row.dataset.key = key;
      row.setAttribute('role', 'row');
      row.tabIndex = -1;
      this.rows.set(key, row);
      this.body.append(row);
    }
    const y = `translateY(${index * this.height}px)`;
    if (row.style.transform !== y) {
      row.style.transform = y;
      row.setAttribute('aria-rowindex', index + this.first);
      row.classList.toggle('odd', index % 2 === 1);
    }
    this.update(row, item);
  }

  index() {
    return this.at === null ? -1 : this.items.findIndex(item => String(this.key(item)) === String(this.at));
  }

  /** Makes one row reachable by Tab; the arrow keys move on from there. */
  reachable() {
    let reachable = this.rows.get(this.at);
    if (!reachable) reachable = this.rows.get(this.items.length ? this.key(this.items[0]) : null) ?? this.rows.values().next().value;
    for (const row of this.rows.values()) {
      const index = row === reachable ? 0 : -1;
      if (row.tabIndex !== index) row.tabIndex = index;
    }
  }

  choose(key, focus = true) {
    const known = this.items.find(item => String(this.key(item)) === String(key));
    if (!known) return;
    this.at = this.key(known);
    if (!focus) return this.reachable();
    this.reveal(this.index());
    this.render();
    this.rows.get(this.at)?.focus({ preventScroll: true });
    return undefined;
  }

  /** Scrolls just as far as needed to see that row. */
  reveal(index) {
    const top = this.body.getBoundingClientRect().top + index * this.height;
    const covered = document.querySelector('.top')?.getBoundingClientRect().bottom ?? 0;
    const margin = this.height;
    const below = document.querySelector('.tabs')?.getBoundingClientRect();
    const bottom = below && below.height && below.top > innerHeight / 2 ? below.top : innerHeight;
    if (top < covered + margin) scrollBy(0, top - covered - margin);
    else if (top + this.height > bottom) scrollBy(0, top + this.height - bottom + 8);
  }

  keydown(event) {
    if (event.target !== event.target.closest('[role=row]') || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(innerHeight / this.height) - 4);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity, j: 1, k: -1 };
    if (event.key === 'Enter') {
      const item = this.items[this.index()];
      if (item) this.activate?.(item);
    } else if (event.key in steps) {
      const next = Math.min(this.items.length - 1, Math.max(0, this.index() + steps[event.key]));
      if (this.items[next]) this.choose(this.key(this.items[next]));
    } else {
      return;
    }
    event.preventDefault();
  }
}
