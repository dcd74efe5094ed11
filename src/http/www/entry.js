// An entry of the audit, as one line and in full.

import { h } from './dom.js';
import { capital, exact, time, when, words } from './format.js';
import { requesterClass, verdict, VERDICTS } from './badges.js';
import { alike, called, operator, person, parts, visible, bare } from './names.js';
import { place, rule as meaning, why } from './reasons.js';
import { dialog } from './dialogs.js';
import { command, get } from './api.js';
import { failed } from './toast.js';
import { may, state } from './state.js';
import { tree } from './tree.js';
import { to } from './router.js';

const DID = { join: 'to enter', open: 'to open the room', request: 'for the room', configure: 'to change settings', affiliation: 'to change affiliations', role: 'to change roles', destroy: 'to destroy the room', invite: 'to invite', knock: 'to answer a knock', command: 'a command', rename: 'to change their name', record: 'to record', dial: 'to call a telephone', breakout: 'to change breakout rooms' };

/** The words for what was tried, after "asked". */
export const tried = kind => DID[kind] ?? words(kind);

/** Returns whom an entry is about, as short as is unambiguous. */
export const who = entry => called(entry)[0] || parts(entry.person).local || (entry.person ? bare(entry.person) : '');

const EVENTS = {
  joined: ['allow', 'joined'], left: ['plain', 'left'], waiting: ['hold', 'waits'], gone: ['plain', 'stopped waiting'],
  opened: ['allow', 'Room opened'], ended: ['plain', 'Room ended'], gate: ['plain', 'Gate'], timer: ['hold', 'Timer'],
  drift: ['hold', 'Drift'], doctor: ['plain', 'Doctor'], revision: ['prompt', 'Policy changed'], action: ['prompt', 'Action'],
};

/** Returns the colour of an entry. */
export const kindOf = entry => (entry.kind === 'decision' ? entry.verdict : entry.outcome === 'failed' ? 'deny' : EVENTS[entry.kind]?.[0] ?? 'plain');

/** Returns what happened, as the pieces of a sentence. */
export function sentence(entry) {
  const named = who(entry) ? h('strong', {}, person(who(entry))) : null;
  if (entry.kind === 'decision') return [named ?? 'A person', ` asked ${tried(entry.attempt_kind)}: `, (VERDICTS[entry.verdict] ?? words(entry.verdict)).toLowerCase()];
  if (entry.kind === 'action') {
    const { by } = entry;
    const title = state.commands.get(entry.command)?.title ?? capital(words(entry.command));
    return [h('strong', {}, title), named && [' ', named], by?.name && [' by ', h('bdi', {}, operator(by.name))], entry.outcome === 'failed' && ' – failed'];
  }
  const [, verb] = EVENTS[entry.kind] ?? ['plain', capital(words(entry.kind))];
  const body = bodyOf(entry);
  const done = body.done ?? body.what ?? body.event;
  if (['joined', 'left', 'waiting', 'gone'].includes(entry.kind)) return [named ?? 'A person', ` ${verb}`];
  return [verb, named && [' ', named], typeof done === 'string' && ` ${visible(words(done))}`];
}

/** Returns the second line of an entry. */
export function detail(entry) {
  if (entry.kind === 'decision') return why(entry);
  return entry.reason ? visible(entry.reason) : '';
}

/** Returns the body of an entry as an object, even if it came as text. */
export function bodyOf(entry) {
  if (typeof entry.body !== 'string') return entry.body ?? {};
  try {
    return JSON.parse(entry.body);
  } catch {
    return {};
  }
}

/** Returns a badge for a name that may be confused with that of a person inside; false for any other name. */
export const namesake = entry => alike(entry.kind === 'decision' && bodyOf(entry).facts?.namesake);

/** Returns the rule of a decision, with its line in the file. */
export const ruleOf = entry => (entry.rule ? h('span.rule', { title: meaning(entry.rule) }, h('code', {}, entry.rule), h('span.line', {}, place(entry.line))) : null);

/** A list of entries in the order of time. */
export function timeline(entries) {
  return h('ol.timeline', {}, entries.map(timelineItem));
}

/** One entry of the list. */
export function timelineItem(entry) {
  const more = detail(entry);
  return h(`li.${kindOf(entry)}`, {},
    h('time', { datetime: exact(entry.at), title: when(entry.at) }, time(entry.at)),
    h('span.node', { 'aria-hidden': 'true' }),
    h('div.what', {}, h('p', {}, sentence(entry), entry.observed && h('span.observed', {}, 'observed')),
      namesake(entry), more && h('p.why', {}, more),
      entry.rule && h('p.by', {}, ruleOf(entry), requesterClass(entry.class))),
    h('button.quiet.small.details', { type: 'button', 'aria-label': `Details of ${time(entry.at)}`, onclick: () => show(entry) }, 'Details'));
}

/** Shows an entry in full; a decision is explained from its facts if the caller may request that. */
export async function show(entry) {
  const place_ = h('div', {}, h('p.hint', {}, 'Asking why …'));
  const opened = dialog(entry.kind === 'decision' ? 'Why' : capital(words(entry.kind)), (finish, box) => {
    box.classList.add('broad');
    return [summary(entry), place_, h('div.dialog-buttons', {}, h('button', { type: 'button', autofocus: true, onclick: () => finish(null) }, 'Close'))];
  });
  place_.replaceChildren(...await whole(entry));
  return opened;
}

function summary(entry) {
  const pairs = [
    ['When', when(entry.at)],
    entry.verdict && ['Verdict', verdict(entry.verdict, entry.observed)],
    who(entry) && ['Who', [called(entry).map(name => [...person(name), ' ']), entry.person && h('bdi.jid', {}, visible(entry.person))]],
    entry.room && ['Room', h('a', { href: to('room', entry.room), onclick: closeDialog }, h('bdi', {}, visible(entry.room)))],
    entry.attempt_kind && ['Asked', tried(entry.attempt_kind)],
    entry.class && ['Taken for', words(entry.class)],
    entry.rule && ['Rule', [ruleOf(entry), h('p.hint', {}, meaning(entry.rule))]],
    entry.denial && ['Reason', why(entry)],
    entry.by && ['By', `${operator(entry.by.name)} (${entry.by.role}, ${words(entry.by.interface)})`],
    entry.outcome && ['Outcome', entry.outcome],
    entry.reason && ['Because', visible(entry.reason)],
    entry.revision && ['Policy', h('code', {}, entry.revision)],
    entry.id && ['Id', h('code', {}, entry.id)],
  ].filter(Boolean);
  return h('dl.pairs', {}, pairs.map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}

const closeDialog = event => event.target.closest('dialog')?.close();

async function whole(entry) {
  if (entry.kind === 'decision' && entry.id && may('why')) {
    try {
      const why_ = await command('why', { decision: entry.id });
      const note = why_.note && h('p.hint', {}, visible(why_.note));
      if (why_.explanation) return [note, ...explanation(why_.explanation, entry)].filter(Boolean);
    } catch (error) {
      if (error.kind === 'unauthorized') return [];
    }
  }
  let body = bodyOf(entry);
  if (!Object.keys(body).length && entry.seq) {
    const found = await get('log', { after: entry.seq - 1, before: entry.seq + 1, limit: 1 }).catch(failed);
    body = bodyOf((found?.entries ?? found ?? [])[0] ?? {});
  }
  const facts = body.facts ?? body.details ?? body;
  return Object.keys(facts).length ? [h('h3', {}, 'What it rested on'), tree(facts)] : [];
}

/** Shows an explanation from `why` or `explain`; with an entry, only what the entry does not contain. */
export function explanation(found, entry = null) {
  const place_ = of => h('span.rule', { title: meaning(of.rule) }, h('code', {}, of.rule), h('span.line', {}, place(of.line)));
  const would = found.would_have_been;
  const limits = Object.entries(found.may ?? {}).filter(([, degree]) => degree !== 'yes');
  const changes = found.would_change_it ?? [];
  const differs = !entry || entry.verdict !== found.verdict || entry.rule !== found.rule;
  return [
    entry && differs && h('h3', {}, 'As it would be decided now'),
    differs && h('div.verdict-line', {}, verdict(found.verdict), place_(found), requesterClass(found.class)),
    differs && h('p', {}, meaning(found.rule)),
    found.told && h('p.told', {}, 'Told: ', h('q', {}, visible(found.told))),
    would && h('p', {}, 'If what is observed were enforced: ', verdict(would.verdict), ' ', place_(would)),
    ...(found.assumed ?? []).map(text => h('p.hint', {}, `Assumed: ${visible(text)}`)),
    found.exceptions?.length ? h('p', {}, `With the exception of line ${found.exceptions.join(', ')}.`) : null,
    limits.length ? [h('h3', {}, 'What is not allowed inside'), h('ul', {}, limits.map(([what, degree]) => h('li', {}, `${capital(words(what))}: ${degree === 'moderator' ? 'while moderating' : 'no'}`)))] : null,
    changes.length ? [h('h3', {}, 'What would change it'), h('ul.plain.changes', {}, changes.map(change => h('li', {}, h('span', {}, `With ${visible(change.with)}`), verdict(change.verdict), place_(change))))] : null,
    found.facts && h('details', {}, h('summary', {}, 'What it rests on'), tree(found.facts)),
  ].flat().filter(Boolean);
}
