// Short messages on what was done or has failed; a screen reader reads them out.

import { h } from './dom.js';
import { icon } from './icons.js';

const SHOWN = 6000;
/** Errors stay longer, because there is more to read. */
const TROUBLE = 15_000;
const MOST = 4;

/** Reports that something is done. */
export function done(text) {
  show(text, 'done', document.getElementById('said'), SHOWN);
}

/** Reports what went wrong. */
export function failed(error) {
  if (error?.kind === 'unauthorized' || error?.name === 'AbortError') return;
  show(error?.message ?? String(error), 'failed', document.getElementById('alarms'), TROUBLE);
}

function show(text, kind, region, milliseconds) {
  const toast = h(`div.toast.${kind}`, {},
    icon(kind === 'done' ? 'check' : 'warning'),
    h('p', {}, text),
    h('button.quiet.icon-only', { type: 'button', 'aria-label': 'Dismiss', onclick: () => toast.remove() }, icon('close')));
  region.append(toast);
  while (region.children.length > MOST) region.firstElementChild.remove();
  setTimeout(() => toast.remove(), milliseconds);
}
