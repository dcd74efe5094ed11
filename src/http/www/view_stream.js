// Decisions as they are made.

import { attribute, h, heading, put, replace, text } from './dom.js';
import { count, exact, time } from './format.js';
import { icon } from './icons.js';
import { requesterClass, verdict, VERDICTS } from './badges.js';
import { namesake, ruleOf, show, tried, who } from './entry.js';
import { parts, person, visible } from './names.js';
import { ruleNames, why } from './reasons.js';
import { remember } from './router.js';
import { on, state } from './state.js';
import { VirtualList } from './virtual.js';

/** Scroll position in pixels below which the caller is reading, so that nothing moves. */
const READING = 120;

export function stream(main, _, query) {
  const filter = { verdict: query.verdict ?? '', rule: query.rule ?? '', text: query.text ?? '' };
  let paused = false;
  /** Entries that are shown while the list is paused. */
  let still = null;

  const segments = new Map(['', ...Object.keys(VERDICTS)].map(name => [name, h(`button.segment${name ? `.${name}` : ''}`, { type: 'button', onclick: () => choose({ verdict: name }) }, name ? [h('span.dot'), VERDICTS[name]] : 'All')]));
  const rule = h('input', { type: 'search', 'aria-label': 'Rule', placeholder: 'Rule', list: null, autocomplete: 'off', spellcheck: 'false', oninput: () => choose({ rule: rule.value.trim() }) });
  rule.setAttribute('list', 'rule-names');
  rule.value = filter.rule;
  const words = h('input', { type: 'search', 'aria-label': 'Room or person', placeholder: 'Room or person', autocomplete: 'off', spellcheck: 'false', oninput: () => choose({ text: words.value.trim().toLowerCase() }) });
  words.value = filter.text;
  const pause = h('button.pause', { type: 'button', 'data-pause': '', 'aria-keyshortcuts': 'p', onclick: () => { paused = !paused; settle(); } });
  const rate = h('span.total');
  const newer = h('button.newer.primary', { type: 'button', hidden: true, onclick: () => { paused = false; scrollTo(0, 0); still = null; refresh(); } });
  const body = h('div.rows', { role: 'rowgroup' });
  const grid = h('div.grid.decisions', { role: 'grid', 'aria-label': 'Decisions, the newest first' },
    h('div.head', { role: 'rowgroup' }, h('div.row', { role: 'row', 'aria-rowindex': '1' },
      ['Time', 'Verdict', 'Who', 'Room', 'Why', 'Rule'].map(label => h(`div.cell.c-${label.toLowerCase()}`, { role: 'columnheader' }, label)))), body);
  const empty = h('div.nothing', { hidden: true });
  put(main,
    h('div.title', {}, heading('Decisions'), rate, pause),
    h('div.tools', {}, h('div.segments', { role: 'group', 'aria-label': 'Verdict' }, [...segments.values()]),
      h('div.filters', {}, rule, words, h('datalist', { id: 'rule-names' }, ruleNames().map(name => h('option', { value: name }))))),
    grid, empty, newer);

  const list = new VirtualList(body, { key: entry => entry.seq, create: row, update: () => {}, activate: show });

  function choose(change) {
    Object.assign(filter, change);
    remember(filter);
    still = null;
    list.set([]);
    refresh();
  }

  const matches = entry => entry.kind === 'decision'
    && (!filter.verdict || entry.verdict === filter.verdict)
    && (!filter.rule || entry.rule?.includes(filter.rule))
    && (!filter.text || `${entry.room} ${entry.person} ${entry.nick} ${entry.name}`.toLowerCase().includes(filter.text));

  function settle() {
    still = paused ? state.entries.at(-1)?.seq ?? null : null;
    refresh();
  }

  function refresh() {
    replaceLabel(pause, paused);
    for (const [name, segment] of segments) attribute(segment, 'aria-pressed', filter.verdict === name);
    const reading = paused || scrollY > READING;
    if (reading && still === null) still = state.entries.at(-1)?.seq ?? null;
    if (!reading) still = null;
    const found = state.entries.filter(matches);
    const shown = still === null ? found : found.filter(entry => entry.seq <= still);
    const more = found.length - shown.length;
    shown.reverse();
    attribute(grid, 'aria-rowcount', shown.length + 1);
    list.set(shown);
    newer.hidden = !more;
    text(newer, `${count(more)} newer`);
    grid.hidden = !shown.length;
    empty.hidden = shown.length > 0;
    if (!shown.length) {
      const any = state.entries.some(entry => entry.kind === 'decision');
      replace(empty, h('p.nothing-title', {}, any ? 'No decision like that' : 'Nothing has been decided yet'), h('p', {}, any ? 'Older ones are in the log.' : 'The first attempt to enter a room appears here.'));
    }
  }

  function counted() {
    const from = Date.now() - 10_000;
    let number = 0;
    for (let index = state.entries.length - 1; index >= 0; index -= 1) {
      const entry = state.entries[index];
      if (Date.parse(entry.at) < from) break;
      if (entry.kind === 'decision') number += 1;
    }
    const perSecond = number / 10;
    const missed = state.missed ? ` · ${count(state.missed)} passed too quickly to be shown: they are in the log` : '';
    text(rate, `${perSecond >= 10 ? count(perSecond) : perSecond.toFixed(1)} a second${missed}`);
  }

  const scrolled = () => { if (still !== null && !paused && scrollY <= READING) refresh(); };
  addEventListener('scroll', scrolled, { passive: true });
  const timer = setInterval(counted, 1000);
  const end = on('entries', refresh);
  counted();
  refresh();
  return () => { end(); clearInterval(timer); removeEventListener('scroll', scrolled); list.close(); };
}

function replaceLabel(button, paused) {
  if (button.dataset.paused === String(paused)) return;
  button.dataset.paused = String(paused);
  replace(button, icon(paused ? 'play' : 'pause'), paused ? 'Resume' : 'Pause');
}

function row(entry) {
  const cell = (name, ...children) => h(`div.cell.c-${name}`, { role: 'gridcell' }, ...children);
  const made = h('div.row', {},
    cell('time', h('time', { datetime: exact(entry.at) }, time(entry.at))),
    cell('verdict', verdict(entry.verdict, entry.observed)),
    cell('who', h('span.names', {}, person(who(entry) || 'unknown')), namesake(entry), requesterClass(entry.class)),
    cell('room', h('bdi.room', { title: visible(entry.room) }, visible(parts(entry.room).local))),
    cell('why', h('span.asked', {}, entry.attempt_kind === 'join' ? '' : `${tried(entry.attempt_kind)}: `), why(entry)),
    cell('rule', ruleOf(entry)));
  made.addEventListener('click', () => show(entry));
  return made;
}
