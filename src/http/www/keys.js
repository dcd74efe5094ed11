// Shortcuts, and the list of them.

import { dialog } from './dialogs.js';
import { h } from './dom.js';
import { go } from './router.js';
import { VIEWS } from './views.js';

const SHORTCUTS = [
  ['/', 'Find a room'],
  ['↑ ↓', 'The next row of a list (also j and k)'],
  ['Enter', 'Open what is chosen'],
  ['p', 'Pause or resume the decisions'],
  ['Esc', 'Leave a dialog, or the search'],
  ['?', 'This list'],
];

const typing = target => target.closest('input, textarea, select, [contenteditable]');

export const shortcuts = {
  /** Listens until the returned function is called. */
  listen(search) {
    let leading = false;
    const pressed = event => {
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
      if (typing(event.target)) {
        if (event.key === 'Escape' && event.target === search) search.blur();
        return;
      }
      const view = leading && VIEWS.find(each => each.key === event.key && each.offered());
      leading = event.key === 'g';
      if (view) go(view.name);
      else if (event.key === '/') { event.preventDefault(); search.focus(); search.select(); }
      else if (event.key === '?') shortcuts.show();
      else if (event.key === 'p') document.querySelector('[data-pause]')?.click();
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  },

  /** Shows the list. */
  show() {
    const views = VIEWS.filter(view => view.key && view.offered()).map(view => [`g ${view.key}`, view.title]);
    const row = ([keys, what]) => [h('dt', {}, keys.split(' ').map(key => h('kbd', {}, key))), h('dd', {}, what)];
    return dialog('Shortcuts', finish => [
      h('dl.shortcuts', {}, [...SHORTCUTS, ...views].map(row)),
      h('div.dialog-buttons', {}, h('button', { type: 'button', autofocus: true, onclick: () => finish(null) }, 'Close')),
    ]);
  },
};
