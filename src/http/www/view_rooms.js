// The rooms that are open, as they are now.

import { attribute, h, heading, put, replace, text } from './dom.js';
import { age, count, moment, plural, words } from './format.js';
import { icon } from './icons.js';
import { isAttacked, isUrgent, refusals, refusedAt, stateOf } from './badges.js';
import { lookAlike, parts, visible } from './names.js';
import { go, remember, to } from './router.js';
import { on, state } from './state.js';
import { VirtualList } from './virtual.js';

const STATES = ['open', 'held', 'closed', 'suspended'];
/** Shortest interval in milliseconds at which a screen reader announces a waiting person. */
const SPOKEN = 20_000;

/** Orders of rooms, `[label, compare]`, each in its usual direction. */
const ORDERS = {
  attention: ['Attention', (one, other) => isUrgent(other) - isUrgent(one) || isAttacked(other) - isAttacked(one) || other.waiting - one.waiting || other.people - one.people],
  room: ['Room', (one, other) => one.room.localeCompare(other.room)],
  state: ['State', (one, other) => stateOf(one)[1].localeCompare(stateOf(other)[1])],
  waiting: ['Waiting', (one, other) => other.waiting - one.waiting],
  wait: ['Longest wait', (one, other) => waits(one) - waits(other)],
  people: ['People', (one, other) => other.people - one.people],
  moderators: ['Moderators', (one, other) => one.moderators - other.moderators],
  refused: ['Refused', (one, other) => refusedAt(other) - refusedAt(one)],
  opened: ['Age', (one, other) => opened(one) - opened(other)],
};
const COLUMNS = [['state', 'State'], ['room', 'Room'], ['waiting', 'Waiting'], ['people', 'People'], ['moderators', 'Moderators'], [null, 'Door'], ['refused', 'Refused, 5 min'], ['opened', 'Age']];

const opened = room => moment(Number(room.opened) || room.opened) || Infinity;
/** When the person who has waited longest began to wait, in milliseconds. */
const waits = room => moment(room.waiting_since) || Infinity;

export function rooms(main, _, query) {
  const filter = { state: query.state ?? '', sort: query.sort in ORDERS ? query.sort : 'attention', back: query.back === '1' };
  const search = document.getElementById('search');
  const total = h('span.total');
  const urgent = h('div.urgent', { hidden: true });
  const attacked = h('div.urgent.attacked', { hidden: true });
  const states = new Map(['', ...STATES].map(name => [name, h('button.segment', { type: 'button', onclick: () => choose({ state: name }) }, name ? stateOf({ state: name })[1] : 'All', h('span.number'))]));
  const order = h('select', { 'aria-label': 'Order', onchange: () => choose({ sort: order.value, back: false }) }, Object.entries(ORDERS).map(([name, [label]]) => h('option', { value: name }, label)));
  const heads = COLUMNS.map(([name, label]) => h(`div.cell.c-${name ?? 'door'}`, { role: 'columnheader' },
    name ? h('button.sort', { type: 'button', onclick: () => choose({ sort: name, back: filter.sort === name && !filter.back }) }, label) : label));
  const body = h('div.rows', { role: 'rowgroup' });
  const grid = h('div.grid.rooms', { role: 'grid', 'aria-label': 'Rooms' },
    h('div.head', { role: 'rowgroup' }, h('div.row', { role: 'row', 'aria-rowindex': '1' }, heads)), body);
  const empty = h('div.nothing', { hidden: true });
  const page = put(main,
    h('div.title', {}, heading('Rooms'), total),
    urgent, attacked,
    h('div.tools', {}, h('div.segments', { role: 'group', 'aria-label': 'State' }, [...states.values()]), h('label.order', {}, h('span', {}, 'Order'), order)),
    grid, empty);

  const list = new VirtualList(body, {
    key: room => room.room, create: row, update,
    activate: room => go('room', room.room),
  });
  // Rows do not move under a pointer that is about to press one.
  let held = null;
  grid.addEventListener('pointerenter', event => { if (event.pointerType === 'mouse') held = new Map(list.items.map((room, index) => [room.room, index])); });
  grid.addEventListener('pointerleave', () => { held = null; show(); });

  function choose(change) {
    Object.assign(filter, change);
    held = null;
    remember({ ...filter, back: filter.back ? '1' : '' });
    show();
  }

  function show() {
    const wanted = search.value.trim().toLowerCase();
    const all = [...state.rooms.values()];
    const found = wanted ? all.filter(room => room.room.includes(wanted) || visible(room.room).toLowerCase().includes(wanted)) : all;
    const of = name => (name ? found.filter(room => stateOf(room)[1] === stateOf({ state: name })[1]) : found);
    const shown = of(filter.state);
    const compare = ORDERS[filter.sort][1];
    const natural = (one, other) => (filter.back ? -1 : 1) * compare(one, other) || (one.room < other.room ? -1 : 1);
    const place = room => held?.get(room.room) ?? Infinity;
    shown.sort(held ? (one, other) => (place(one) === place(other) ? natural(one, other) : place(one) - place(other)) : natural);
    for (const [name, segment] of states) {
      text(segment.lastChild, count(of(name).length));
      attribute(segment, 'aria-pressed', filter.state === name);
    }
    order.value = filter.sort;
    COLUMNS.forEach(([name], index) => name && attribute(heads[index], 'aria-sort', filter.sort === name ? (filter.back ? 'descending' : 'ascending') : 'none'));
    attribute(grid, 'aria-rowcount', shown.length + 1);
    text(total, state.heard ? `${plural(all.length, 'room')} · ${plural(sum(all, 'people'), 'person', 'people')} · ${count(sum(all, 'waiting'))} waiting` : '');
    grid.classList.toggle('one-service', new Set(all.map(room => room.service ?? parts(room.room).domain)).size < 2);
    list.set(shown);
    grid.hidden = !shown.length;
    empty.hidden = shown.length > 0;
    if (!shown.length) replace(empty, ...explainNothing(all.length, wanted));
    alarm(urgent, all.filter(isUrgent), 'waiting', room => room.waiting, 'with people waiting and no moderator to let them in', 'people wait and no moderator is there');
    alarm(attacked, all.filter(isAttacked), 'shield', refusedAt, 'under attack: wrong passwords and refusals in the last five minutes', 'under attack');
  }

  /** Shows rooms in a banner, each with a number, and has a screen reader announce them. */
  function alarm(banner, found, symbol, number, text_, spoken) {
    found.sort(ORDERS.attention[1]);
    const key = found.map(room => `${room.room} ${number(room)} ${room.looks_like ?? ''}`).join('\n');
    if (key === (banner.dataset.shown ?? '')) return;
    banner.dataset.shown = key;
    banner.hidden = !found.length;
    replace(banner, icon(symbol), h('p', {}, h('strong', {}, plural(found.length, 'room')), ` ${text_}`),
      h('ul.plain', {}, found.slice(0, 4).map(room => h('li', {}, h('a', { href: to('room', room.room), title: refusals(room) || null }, h('bdi', {}, visible(parts(room.room).local)), lookAlike(room), h('span.number', {}, count(number(room)))))),
        found.length > 4 && h('li.others', {}, `and ${found.length - 4} more`)));
    if (found.length && Date.now() - Number(banner.dataset.said ?? 0) > SPOKEN) {
      banner.dataset.said = Date.now();
      text(document.getElementById('heard'), `${plural(found.length, 'room')}: ${spoken}.`);
    }
  }

  const ends = [on('rooms', show), on('search', show), on('connection', () => attribute(page, 'data-stale', state.connection === 'lost' ? '1' : null))];
  const ticking = setInterval(() => list.render(), 5000);
  show();
  return () => { ends.forEach(end => end()); clearInterval(ticking); list.close(); };
}

const sum = (all, name) => all.reduce((total, room) => total + (room[name] ?? 0), 0);

function explainNothing(all, wanted) {
  if (!state.heard) return [h('p.nothing-title', {}, 'Asking for the rooms …')];
  if (!all) return [h('p.nothing-title', {}, 'No room is open'), h('p', {}, 'As soon as one opens, it is here.')];
  return [h('p.nothing-title', {}, 'No room like that'), h('p', {}, wanted ? 'Look for less of the name, or in all states.' : 'Look in all states.')];
}

function row() {
  const cell = name => h(`div.cell.c-${name}`, { role: 'gridcell' });
  const made = h('div.row', {}, ...['state', 'room', 'waiting', 'people', 'moderators', 'door', 'refused', 'opened'].map(cell));
  made.addEventListener('click', event => { if (!event.target.closest('a, button')) go('room', made.dataset.key); });
  return made;
}

/** Updates a row; unchanged parts are not touched. */
function update(made, room) {
  const [kind, word] = stateOf(room);
  const old = opened(room);
  const since = Number.isFinite(old) ? age(old) : '';
  const waited = Number.isFinite(waits(room)) ? age(waits(room)) : '';
  const shown = [word, room.waiting, waited, room.people, room.moderators, room.door, refusals(room), room.looks_like, since].join('|');
  if (made.shown === shown) return;
  made.shown = shown;
  const [state_, name, waiting, people, moderators, door, refused, opened_] = made.children;
  const named = room.looks_like ?? '';
  if (name.dataset.like !== named) {
    name.dataset.like = named;
    const { local, domain } = parts(room.room);
    replace(name, h('a', { href: to('room', room.room), tabindex: '-1', title: visible(room.room) }, h('bdi.room', {}, visible(local))), lookAlike(room), h('bdi.domain', {}, visible(domain)));
  }
  replace(state_, h(`span.chip.${kind}`, {}, word));
  made.classList.toggle('is-urgent', isUrgent(room));
  made.classList.toggle('is-attacked', isAttacked(room));
  counted(waiting, room.waiting, 'waiting', room.waiting ? 'some' : 'none');
  if (waited) put(waiting, h('span.longest', { title: 'The longest that a person has waited' }, ` ${waited}`));
  counted(people, room.people, room.people === 1 ? 'person' : 'people', '');
  counted(moderators, room.moderators, room.moderators === 1 ? 'moderator' : 'moderators', room.moderators ? '' : 'lacks');
  replace(door, asksFor(room));
  counted(refused, refusedAt(room), 'refused', refusedAt(room) ? 'some' : 'none');
  attribute(refused, 'title', refusals(room) || null);
  text(opened_, since);
}

/** Returns what the room asks of a stranger. */
const asksFor = ({ door }) => door && h('span.door-mark', {}, icon({ lobby: 'lobby', open: 'rooms' }[door] ?? 'key'), words(door));

function counted(cell, value, what, kind) {
  attribute(cell, 'data-kind', kind);
  replace(cell, h('span.value', {}, value === 0 && kind === 'none' ? '–' : count(value)), h('span.unit', {}, ` ${what}`));
}
