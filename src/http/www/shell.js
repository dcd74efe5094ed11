// The frame of every view: the component's state, the search, the caller, and the navigation.

import { attribute, h, replace, text } from './dom.js';
import { findingsBadge } from './badges.js';
import { condition, warnings } from './condition.js';
import { icon } from './icons.js';
import { mark } from './login.js';
import { shortcuts } from './keys.js';
import * as live from './live.js';
import { operator } from './names.js';
import { current, go, to } from './router.js';
import { changed, may, on, state } from './state.js';
import { VIEWS, viewOf } from './views.js';

/** Puts the page into `app`; returns a function that removes it. */
export function shell(app, signOut) {
  const pill = h('a.pill', { href: to('server') }, h('span.dot'), h('span.pill-text', {}, 'Connecting'));
  const search = h('input', { id: 'search', type: 'search', placeholder: 'Find a room', 'aria-label': 'Find a room', autocomplete: 'off', spellcheck: 'false', 'aria-keyshortcuts': '/' });
  const banners = h('div.banners');
  const main = h('main', { id: 'main', tabindex: '-1' });
  const links = new Map();
  const badges = [];
  const badge = view => {
    if (!may('doctor') || !['doctor', 'more'].includes(view.name)) return null;
    badges.push(findingsBadge(view.name === 'more'));
    return badges.at(-1).element;
  };
  const link = view => {
    const made = h('a', { href: to(view.name) }, icon(view.icon), h('span', {}, view.title), badge(view));
    links.set(view.name, [...(links.get(view.name) ?? []), made]);
    return made;
  };
  const mine = VIEWS.filter(view => view.name !== 'more' && view.offered());
  replace(app,
    h('header.top', {},
      h('a.brand', { href: to('rooms'), 'aria-label': 'Vestibule' }, mark(), h('span', {}, 'Vestibule')),
      pill,
      h('form.search', { role: 'search', onsubmit: event => { event.preventDefault(); find(true); } }, icon('log'), search, h('kbd', { 'aria-hidden': 'true' }, '/')),
      h('div.me', {}, h('span.me-name', {}, h('bdi', {}, operator(state.caller.name)), h('span.role', {}, state.caller.role)),
        h('button.quiet', { type: 'button', 'aria-label': 'Sign out', title: 'Sign out', onclick: () => signOut() }, icon('out'), h('span.wide-only', {}, 'Sign out')))),
    h('div.body', {},
      h('nav.side', { 'aria-label': 'Views' }, mine.map(link),
        h('button.quiet.side-help', { type: 'button', onclick: () => shortcuts.show() }, 'Shortcuts', h('kbd', {}, '?'))),
      h('div.page', {}, banners, main)),
    h('nav.tabs', { 'aria-label': 'Views' }, [...mine.filter(view => view.tab), VIEWS.find(view => view.name === 'more')].map(link)));

  const find = entered => {
    const { view } = current();
    if (view === 'rooms') changed('search');
    else if (entered || search.value) go('rooms');
    if (entered) document.querySelector('.grid [role=row][tabindex="0"]')?.focus();
  };
  search.addEventListener('input', () => find(false));

  let unmount = () => {};
  const show = first => {
    const { view, argument, query } = current();
    const shown = viewOf(view);
    unmount();
    for (const [name, elements] of links) {
      for (const each of elements) attribute(each, 'aria-current', name === shown.name || name === shown.under ? 'page' : null);
    }
    replace(main);
    main.className = `view-${shown.name}`;
    document.title = `${shown.title} · Vestibule`;
    unmount = shown.mount(main, argument, query) ?? (() => {});
    if (!first) {
      scrollTo(0, 0);
      // The search keeps the focus while the caller types.
      if (document.activeElement !== search) (main.querySelector('h1') ?? main).focus({ preventScroll: true });
    }
  };

  const refresh = () => {
    const { label, kind } = condition();
    pill.className = `pill ${kind}`;
    text(pill.querySelector('.pill-text'), label);
    const wanted = warnings();
    // Announced once, not with every second that passes.
    if (banners.dataset.shown !== JSON.stringify(wanted)) {
      banners.dataset.shown = JSON.stringify(wanted);
      replace(banners, wanted.map(([kindOf, words, retry]) =>
        h(`div.banner.${kindOf}`, { role: kindOf === 'lost' ? 'alert' : null }, icon('warning'), h('p', {}, words),
          retry && h('button', { type: 'button', onclick: () => live.retryNow() }, 'Try now'))));
    }
    badges.forEach(each => each.refresh());
  };
  const keyed = shortcuts.listen(search);
  const hashed = () => { if (!location.hash.startsWith('#login=')) show(false); };
  addEventListener('hashchange', hashed);
  const ends = ['status', 'connection', 'rooms'].map(topic => on(topic, refresh));
  const timer = setInterval(refresh, 1000);
  refresh();
  show(true);
  return () => {
    removeEventListener('hashchange', hashed);
    clearInterval(timer);
    keyed();
    unmount();
    ends.forEach(end => end());
  };
}
