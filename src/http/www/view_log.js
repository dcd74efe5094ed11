// The audit, searched.

import { attribute, h, heading, nothing, put, replace, text } from './dom.js';
import { get } from './api.js';
import { exact, when } from './format.js';
import { detail, kindOf, ruleOf, sentence, show } from './entry.js';
import { fieldsOf } from './forms.js';
import { parts, visible } from './names.js';
import { remember } from './router.js';
import { may, state } from './state.js';

/** Entries of one page. */
const PAGE = 100;

const kind = (name, choices) => ({ name, label: name === 'kind' ? 'What' : 'Verdict', kind: 'choice', choices });
/** Fields to search by that the table of commands does not have. */
const FIELDS = [
  { name: 'room', label: 'Room', kind: 'room' }, { name: 'person', label: 'Person', kind: 'person' },
  kind('kind', ['decision', 'action', 'joined', 'left', 'opened', 'ended', 'revision', 'timer', 'drift', 'gate']),
  kind('verdict', ['allow', 'hold', 'prompt', 'deny']), { name: 'rule', label: 'Rule', kind: 'text' },
  { name: 'since', label: 'From', kind: 'time' }, { name: 'until', label: 'To', kind: 'time' },
];
const OWN = new Set(['after', 'before', 'limit']);
/** Short labels: the table of commands describes each field by a sentence. */
const LABELS = { room: 'Room', person: 'Person', rule: 'Rule', verdict: 'Verdict', kind: 'What', id: 'Id', since: 'From', until: 'To', text: 'Contains' };
/** Width from which there is room for the form. */
const WIDE = matchMedia('(min-width: 56.01rem)');

export function log(main, _, query) {
  const fields = (may('log') ? state.commands.get('log').fields : FIELDS).filter(field => !OWN.has(field.name)).map(field => ({ ...field, label: LABELS[field.name] ?? field.label }));
  const form = fieldsOf(fields, query, true);
  const results = h('div.results', { role: 'region', 'aria-label': 'What was found' });
  const summary = h('summary');
  const folded = h('details', {}, summary);
  const search = event => { event.preventDefault(); remember(form.values()); unfold(); find(); };
  /** Opens the form if there is room for it; what it searches for is said in any case. */
  const unfold = () => {
    folded.open = WIDE.matches;
    text(summary, ['Search', ...Object.entries(form.values()).map(([name, value]) => `${LABELS[name]}: ${visible(value)}`)].join(' · '));
  };
  unfold();
  WIDE.addEventListener('change', unfold);
  put(main, h('div.title', {}, heading('Log')),
    h('form.search-form.panel', { onsubmit: search }, put(folded, h('div.form-grid', {}, form.elements), h('div.form-buttons', {},
      h('button.primary', { type: 'submit' }, 'Search'), h('a.button', { href: '#/log' }, 'Clear')))),
    results);
  let here = true;
  let asked = 0;

  async function find(before = null) {
    const mine = asked += 1;
    attribute(results, 'aria-busy', 'true');
    try {
      const found = await get('log', { ...form.values(), limit: PAGE, before });
      if (!here || mine !== asked) return;
      const entries = [...(found.entries ?? found)].sort((one, other) => other.seq - one.seq);
      results.querySelector('.older')?.remove();
      if (!before) replace(results, entries.length ? list() : nothing('Nothing found', 'Search for less, or for a longer time.'));
      put(results.querySelector('ol') ?? results, entries.map(item));
      if (entries.length === PAGE) put(results, h('button.older', { type: 'button', onclick: () => find(entries.at(-1).seq) }, 'Older entries'));
    } catch (error) {
      if (here && error.kind !== 'unauthorized') replace(results, nothing('That cannot be searched', error.message));
    } finally {
      attribute(results, 'aria-busy', null);
    }
  }
  find();
  return () => { here = false; WIDE.removeEventListener('change', unfold); };
}

const list = () => h('ol.plain.entries');

function item(entry) {
  const more = detail(entry);
  return h(`li.entry.${kindOf(entry)}`, {},
    h('time', { datetime: exact(entry.at), title: exact(entry.at) }, when(entry.at)),
    h('span.dot'),
    h('div.what', {}, h('p', {}, sentence(entry), entry.room && h('span.in', {}, ' in ', h('bdi.room', { title: visible(entry.room) }, visible(parts(entry.room).local))), entry.observed && h('span.observed', {}, 'observed')),
      more && h('p.why', {}, more)),
    h('div.by', {}, ruleOf(entry)),
    h('button.quiet.small.details', { type: 'button', 'aria-label': `Details of ${when(entry.at)}`, onclick: () => show(entry) }, 'Details'));
}
