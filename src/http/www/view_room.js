// One room: who is in it and who waits, what can be done, and what happened.

import { attribute, h, heading, nothing, put, replace, text } from './dom.js';
import { command, get } from './api.js';
import { dialog } from './dialogs.js';
import { failed } from './toast.js';
import { age, capital, moment, plural, words } from './format.js';
import { icon } from './icons.js';
import { button, buttonForAll, buttonForChosen, buttonForSeveral, carryOut, fitting } from './actions.js';
import { chip, isAttacked, isUrgent, refusals, requesterClass, roomState } from './badges.js';
import { timeline, timelineItem } from './entry.js';
import { alike, bare, called, mixed, named, parts, person, visible } from './names.js';
import { inOrder } from './live.js';
import { to } from './router.js';
import { may, on, onEntries, state } from './state.js';

/** Number of entries of the room that are fetched. */
const HISTORY = 200;
/** Interval at which the room is fetched while no events of it arrive, in milliseconds. */
const ASKED = 15_000;

export function room(main, jid) {
  const { local, domain } = parts(jid);
  const states = h('div.states');
  const facts = h('p.facts');
  const actions = h('div.actions', { role: 'group', 'aria-label': 'What can be done with the room' });
  const waiting = h('section.panel.waiting', { 'aria-labelledby': 'waiting-title' });
  const inside = h('section.panel', { 'aria-labelledby': 'inside-title' });
  const services = h('section.panel.services', { 'aria-labelledby': 'services-title', hidden: true });
  const past = h('section.panel.past', { 'aria-labelledby': 'past-title' }, h('h2', { id: 'past-title' }, 'What happened'), h('p.hint', {}, 'Asking …'));
  const gone = h('div.gone', { hidden: true });
  put(main,
    h('p.crumbs', {}, h('a', { href: to('rooms') }, icon('back'), 'Rooms')),
    h('div.room-title', {}, heading(named(local, 'room'), ' ', mixed(local), h('bdi.domain', {}, visible(domain))), states),
    facts, actions, gone,
    h('div.columns', {}, h('div.people', {}, waiting, inside, services), past));

  let asked = 0;
  let again = false;
  let timer = null;
  let here = true;

  /** Fetches the room; several calls in a row make one request. */
  async function ask() {
    if (asked) { again = true; return; }
    asked = 1;
    clearTimeout(timer);
    try {
      const found = await get(`rooms/${encodeURIComponent(jid)}`);
      if (here) show({ ...state.rooms.get(jid), ...found });
    } catch (error) {
      if (here && error.kind === 'not-found') ended();
      else if (here && error.kind !== 'unauthorized') text(facts, error.message);
    }
    asked = 0;
    timer = setTimeout(ask, again ? 400 : ASKED);
    again = false;
  }

  function ended() {
    replace(states, chip('Not there', 'plain'));
    replace(actions);
    replace(waiting);
    waiting.hidden = true;
    inside.hidden = true;
    services.hidden = true;
    text(facts, '');
    gone.hidden = false;
    replace(gone, nothing('This room is not open', 'What happened in it is still here, as far back as the log goes.'));
  }

  function show(found) {
    gone.hidden = true;
    inside.hidden = false;
    const people = Array.isArray(found.occupants) ? found.occupants : [];
    const knocking = Array.isArray(found.waiting) ? found.waiting : [];
    const moderators = people.filter(each => each.role === 'moderator').length;
    const brief = { ...found, occupants: people.length, waiting: knocking.length, moderators };
    replace(states, roomState(brief), found.door && chip(capital(words(found.door))), isUrgent(brief) && chip('No moderator', 'deny'), isAttacked(brief) && chip('Under attack', 'deny'), found.looks_like && chip('Look-alike name', 'deny'));
    const opened = Number(found.opened) || found.opened;
    replace(facts, [
      opened && `Open for ${age(moment(opened))}`,
      found.opener && ['opened by ', h('bdi', { title: visible(bare(found.opener)) }, visible(found.opener_name || bare(found.opener)))],
      refusals(found) && `${refusals(found)} in five minutes`,
      found.looks_like && [h('strong', {}, 'the name looks like that of '), h('a', { href: to('room', found.looks_like) }, h('bdi', {}, visible(found.looks_like)))],
      found.closed && `closed: ${found.closed === true ? 'yes' : found.closed}`,
      found.revision_line ? `rules of line ${found.revision_line}` : null,
    ].filter(Boolean).flatMap((each, index) => [index ? ' · ' : '', each]));
    buttons(actions, fitting({ room: brief }).map(each => button(each, { room: brief })),
      [...extras(brief)]);
    waiting.hidden = !knocking.length;
    rows(waiting, 'waiting-title', `${plural(knocking.length, 'person', 'people')} waiting`, knocking, each => personRow(each, brief, true), forAll(brief, knocking));
    waiting.classList.toggle('is-urgent', isUrgent(brief));
    waiting.classList.toggle('is-single', knocking.length < 2);
    counted();
    people.sort((one, other) => (other.role === 'moderator') - (one.role === 'moderator') || String(called(one)[0]).localeCompare(String(called(other)[0])));
    rows(inside, 'inside-title', people.length ? `${plural(found.people ?? people.length, 'person', 'people')} inside` : 'Nobody inside', people, each => personRow(each, brief, false), forSeveral(brief, people));
    const services_ = Array.isArray(found.services) ? found.services : [];
    services.hidden = !services_.length;
    rows(services, 'services-title', plural(services_.length, 'service'), services_, serviceRow, []);
  }

  /** Buttons for everybody who waits, and for those who are chosen. */
  const forAll = (brief, knocking) => knocking.length < 2 ? [] : ['admit', 'reject'].filter(may).map(name => state.commands.get(name)).flatMap(each => [buttonForAll(each, brief, each.name === 'admit' ? '.primary' : ''), buttonForChosen(each, brief, chosen)]);
  const chosen = () => [...waiting.querySelectorAll('.choose:checked')].map(each => each.value);
  const counted = () => waiting.querySelectorAll('[data-command$=-chosen]').forEach(each => each.refresh());
  waiting.addEventListener('change', counted);
  /** Buttons for some of those inside. */
  const forSeveral = (brief, people) => people.length < 2 ? [] : ['remove', 'hold'].filter(may).map(name => buttonForSeveral(state.commands.get(name), brief));

  function* extras(brief) {
    if (may('incident')) yield h('button.act', { type: 'button', 'data-command': 'incident', onclick: event => bundle(brief, event.currentTarget) }, 'Incident bundle');
    if (may('invite')) yield h('button.act', { type: 'button', 'data-command': 'invite', onclick: invite }, 'Invitation');
    if (may('explain')) yield h('a.button.act', { href: to('explain', '', { room: jid }) }, 'Explain…');
  }

  /** Shows the invitation to the room, to be copied. */
  async function invite() {
    const made = await command('invite', { room: jid }).catch(failed);
    if (!made) return;
    await dialog('Invitation', finish => {
      const field = h('textarea.invitation', { readonly: true, rows: '6', 'aria-label': 'Text to pass on', autofocus: true, onfocus: () => field.select() });
      field.value = made.text;
      const copy = h('button.primary', { type: 'button', onclick: () => { field.select(); navigator.clipboard?.writeText(made.text).then(() => text(copy, 'Copied'), () => {}); } }, 'Copy');
      return [field, h('div.dialog-buttons', {}, h('button', { type: 'button', onclick: () => finish(null) }, 'Close'), copy)];
    });
  }

  async function bundle(brief, pressed) {
    const made = await carryOut(state.commands.get('incident'), { room: brief }, pressed);
    if (made) download(made, `incident-${local || 'room'}.json`);
  }

  const entries = [];
  function history(found) {
    entries.push(...found);
    replace(past, h('h2', { id: 'past-title' }, 'What happened'),
      entries.length ? timeline([...entries].reverse()) : h('p.hint', {}, 'Nothing is written down of this room yet.'),
      h('p', {}, h('a', { href: to('log', '', { room: jid }) }, 'All of it, in the log')));
  }
  get('log', { room: jid, limit: HISTORY }).then(found => here && history(inOrder(found.entries ?? found)), () => here && history([]));

  const ends = [
    onEntries(added => {
      const last = entries.at(-1)?.seq ?? -1;
      const mine = added.filter(entry => entry.room === jid && entry.seq > last);
      if (!mine.length) return;
      entries.push(...mine);
      const shown = past.querySelector('.timeline');
      if (shown) {
        mine.forEach(entry => shown.prepend(timelineItem(entry)));
        while (shown.children.length > HISTORY * 2) shown.lastElementChild.remove();
      } else if (past.querySelector('a')) history([]);
      ask();
    }),
    on('rooms', () => {
      const brief = JSON.stringify(state.rooms.get(jid) ?? null);
      if (brief !== seen) { seen = brief; ask(); }
    }),
    on('connection', () => { attribute(main, 'data-stale', state.connection === 'lost' ? '1' : null); if (state.connection === 'live') ask(); }),
  ];
  let seen = JSON.stringify(state.rooms.get(jid) ?? null);
  ask();
  return () => { here = false; clearTimeout(timer); ends.forEach(end => end()); main.removeAttribute('data-stale'); };
}

/** Replaces buttons, unless they are the same, so that none vanishes under a finger or loses the focus. */
function buttons(place, made, more) {
  const key = [...made, ...more].map(each => each.dataset.command ?? each.textContent).join(' ');
  if (place.dataset.shown === key) return;
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.command : null;
  place.dataset.shown = key;
  replace(place, made, more);
  if (focused) (place.querySelector(`[data-command="${CSS.escape(focused)}"]`) ?? place.querySelector('button'))?.focus();
}

/** Shows people; those who are still there keep their elements. */
function rows(panel, id, title, people, make, several) {
  let list = panel.querySelector('ul');
  if (!list) {
    list = h('ul.plain.persons');
    replace(panel, h('h2', { id }), h('div.actions.of-several'), list);
  }
  text(panel.querySelector('h2'), title);
  const place = panel.querySelector('.of-several');
  place.hidden = !several.length;
  buttons(place, several, []);
  const keys = people.map(each => JSON.stringify([each.name, each.nick, each.looks_like, each.jid, each.role, each.affiliation, each.class]));
  const old = new Map([...list.children].map(each => [each.key, each]));
  const wanted = people.map((each, index) => {
    const kept = old.get(keys[index]);
    if (kept) return kept;
    const made = make(each);
    made.key = keys[index];
    return made;
  });
  for (const each of [...list.children]) if (!wanted.includes(each)) each.remove();
  wanted.forEach((each, index) => { if (list.children[index] !== each) list.insertBefore(each, list.children[index] ?? null); });
  for (const each of list.querySelectorAll('[data-since]')) text(each, age(Number(each.dataset.since)));
}

function personRow(who, room_, waits) {
  const jid = bare(who.jid);
  const [name = jid, nick] = called(who);
  const situation = { room: room_, jid, name, waits };
  const since = who.since && h('span.since', { 'data-since': moment(Number(who.since) || who.since) }, age(moment(Number(who.since) || who.since)));
  return h('li.person', {},
    h('div.person-name', {}, waits && jid && may('admit') && h('input.choose', { type: 'checkbox', value: jid, 'aria-label': `Choose ${visible(name)}` }), person(name), alike(who.looks_like), who.role === 'moderator' && chip('Moderator', 'prompt')),
    h('div.person-more', {}, nick && h('bdi.nick', { title: 'Nick' }, visible(nick)), h('bdi.jid', { title: visible(jid) }, visible(jid)), requesterClass(who.class), since,
      who.breakout && h('span.breakout', { title: visible(who.breakout) }, who.role === 'visitor' ? 'in the audience' : 'in a breakout room'),
      who.address && h('span.address', {}, visible(who.address))),
    jid && h('div.person-actions', {}, fitting(situation).map(each => button(each, situation, each.name === 'admit' ? '.primary' : ''))));
}

/** A service of the file: it is no person, and nothing can be done with it. */
function serviceRow(who) {
  const jid = bare(who.jid);
  return h('li.person', {}, h('div.person-name', {}, person(called(who)[0] ?? jid)), h('div.person-more', {}, h('bdi.jid', { title: visible(jid) }, visible(jid))));
}

/** Offers a text as a file to save. */
function download(value, name) {
  const link = h('a', { href: URL.createObjectURL(new Blob([JSON.stringify(value, null, 2)], { type: 'application/json' })), download: name.replace(/[^\w.-]/g, '_') });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
