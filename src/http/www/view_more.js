// The views that are not in the bottom bar of a phone.

import { findingsBadge } from './badges.js';
import { h, heading, put } from './dom.js';
import { icon } from './icons.js';
import { to } from './router.js';
import { on } from './state.js';
import { VIEWS } from './views.js';

export function more(main) {
  const badge = findingsBadge();
  const others = VIEWS.filter(view => !view.tab && view.name !== 'more' && view.offered());
  put(main, heading('More'), h('ul.plain.links', {}, others.map(view =>
    h('li', {}, h('a', { href: to(view.name) }, icon(view.icon), view.title, view.name === 'doctor' && badge.element)))));
  badge.refresh();
  return on('status', badge.refresh);
}
