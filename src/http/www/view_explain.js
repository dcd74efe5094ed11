// What would happen if a person tried something, and why.

import { h, heading, put, replace } from './dom.js';
import { command } from './api.js';
import { explanation } from './entry.js';
import { fieldsOf } from './forms.js';
import { state } from './state.js';

export function explain(main, _, query) {
  const known = state.commands.get('explain');
  const form = fieldsOf(known.fields, query);
  const required = known.fields.filter(field => field.required).length;
  const result = h('section.panel.explained', { 'aria-label': 'What would be decided', 'aria-live': 'polite' }, h('p.hint', {}, 'Say who tries what, and what would be decided is here, with the rule and its line, and what would change it.'));
  const submit = async event => {
    event.preventDefault();
    result.setAttribute('aria-busy', 'true');
    try {
      replace(result, h('h2', {}, 'What would be decided'), explanation(await command('explain', form.values())));
    } catch (error) {
      if (error.kind !== 'unauthorized') replace(result, h('h2', {}, 'That cannot be explained'), h('p', {}, error.message));
    }
    result.removeAttribute('aria-busy');
  };
  put(main, h('div.title', {}, heading('Explain')), h('p.lead', {}, known.about),
    h('div.columns', {},
      h('form.panel', { onsubmit: submit }, form.elements.slice(0, required + 2), h('details', {}, h('summary', {}, 'More about the attempt'), form.elements.slice(required + 2)),
        h('div.form-buttons', {}, h('button.primary', { type: 'submit' }, 'Explain'))),
      result));
}
