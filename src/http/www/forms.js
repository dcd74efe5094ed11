// Forms, made from the table of commands: a command that is new there has its form at once.

import { h } from './dom.js';
import { state } from './state.js';
import { capital, words } from './format.js';

let numbers = 0;

/** Most rooms that are proposed; more would not help while typing. */
const PROPOSED = 200;

/** Controls for these fields of a command. `given` are values to begin with; `quiet`: fields that may be
 * empty are not marked as optional. Returns the elements, and
 * `values()`: the values that were filled in, without empty ones. */
export function fieldsOf(fields, given = {}, quiet = false) {
  const made = fields.map(field => ({ field, ...control(field, given[field.name], quiet) }));
  return {
    elements: made.map(each => each.element),
    first: made[0]?.input,
    values() {
      const values = {};
      for (const { field, read } of made) {
        const value = read();
        if (value !== undefined) values[field.name] = value;
      }
      return values;
    },
  };
}

/** Returns the name of a kind and its choices, in either form of the API. */
function kindOf(field) {
  const kind = typeof field.kind === 'string' ? field.kind : Object.keys(field.kind ?? {})[0] ?? 'text';
  const choices = field.choices ?? field.kind?.choice ?? field.kind?.Choice ?? [];
  return { kind: kind.toLowerCase(), choices };
}

function control(field, value, quiet) {
  const id = `field-${numbers += 1}`;
  const { kind, choices } = kindOf(field);
  const shared = { id, name: field.name, required: field.required && kind !== 'flag', autocomplete: 'off' };
  const make = MAKERS[kind] ?? MAKERS.text;
  const { input, read, extra, hint } = make(shared, value, choices);
  if (kind === 'flag') {
    return { input, read, element: h('div.field.flag', {}, input, h('label', { for: id }, field.label)) };
  }
  const note = hint && h('p.hint', { id: `${id}-hint` }, hint);
  if (note) input.setAttribute('aria-describedby', note.id);
  const label = h('label', { for: id }, field.label, !field.required && !quiet && h('span.optional', {}, 'optional'));
  return { input, read, element: h('div.field', {}, label, input, extra, note) };
}

const trimmed = input => input.value.trim() || undefined;

function line(shared, value, more = {}) {
  const input = h('input', { type: 'text', spellcheck: 'false', ...shared, ...more });
  if (value !== undefined) input.value = value;
  return input;
}

const MAKERS = {
  text(shared, value) {
    const input = line(shared, value);
    return { input, read: () => trimmed(input) };
  },
  lines(shared, value) {
    const input = h('textarea', { rows: '10', spellcheck: 'false', class: 'code', ...shared });
    input.value = value ?? '';
    return { input, read: () => input.value.trim() ? input.value : undefined };
  },
  room(shared, value) {
    const options = [...state.rooms.keys()].sort().slice(0, PROPOSED).map(room => h('option', { value: room }));
    const list = h('datalist', { id: `${shared.id}-rooms` }, options);
    const input = line(shared, value, { list: list.id, inputmode: 'email' });
    // `list` is a property that cannot be set.
    input.setAttribute('list', list.id);
    return { input, extra: list, read: () => trimmed(input) };
  },
  person(shared, value) {
    const input = line(shared, value, { inputmode: 'email' });
    return { input, read: () => trimmed(input) };
  },
  duration(shared, value) {
    const input = line(shared, value);
    return { input, read: () => trimmed(input), hint: 'For example 30 minutes, 2 hours, 7 days.' };
  },
  time(shared, value) {
    const input = line(shared, undefined, { type: 'datetime-local', step: '1' });
    if (value) input.value = value.slice(0, 19);
    return { input, read: () => input.value ? new Date(input.value).toISOString() : undefined };
  },
  flag(shared, value) {
    const input = h('input', { ...shared, type: 'checkbox' });
    input.checked = value === true;
    return { input, read: () => input.checked || undefined };
  },
  number(shared, value) {
    const input = line(shared, value, { type: 'number', min: '0', step: '1', inputmode: 'numeric' });
    return { input, read: () => input.value === '' ? undefined : Number(input.value) };
  },
  secret(shared, value) {
    const input = line({ ...shared, autocomplete: 'new-password' }, value, { type: 'password' });
    return { input, read: () => input.value || undefined };
  },
  choice(shared, value, choices) {
    const empty = h('option', { value: '' }, shared.required ? 'Choose …' : 'Any');
    const input = h('select', shared, empty, choices.map(choice => h('option', { value: choice }, capital(words(choice)))));
    input.value = value ?? '';
    return { input, read: () => input.value || undefined };
  },
  list(shared, value) {
    const input = h('textarea', { rows: '3', spellcheck: 'false', ...shared });
    input.value = (value ?? []).join('\n');
    const read = () => {
      const lines = input.value.split('\n').map(each => each.trim()).filter(Boolean);
      return lines.length ? lines : undefined;
    };
    return { input, read, hint: 'One a line.' };
  },
};
