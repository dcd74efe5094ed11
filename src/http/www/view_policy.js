// The policy: what another file would do, and reading the file again.

import { h, heading, put, replace } from './dom.js';
import { command } from './api.js';
import { carryOut } from './actions.js';
import { fieldsOf } from './forms.js';
import { may, state } from './state.js';
import { tree } from './tree.js';

export function policy(main) {
  const revision = h('span.total', {}, state.status ? ['Revision ', h('code', {}, state.status.revision)] : null);
  put(main, h('div.title', {}, heading('Policy'), revision));
  if (may('plan')) put(main, plan());
  if (may('reload')) put(main, reload());
}

function plan() {
  const known = state.commands.get('plan');
  const form = fieldsOf(known.fields);
  const result = h('div', { 'aria-live': 'polite' });
  const submit = async event => {
    event.preventDefault();
    const pressed = event.submitter;
    if (pressed) pressed.disabled = true;
    try {
      replace(result, h('h3', {}, 'What it would do'), tree(await command('plan', form.values())));
    } catch (error) {
      if (error.kind !== 'unauthorized') replace(result, h('h3', {}, 'The file is not sound'), h('pre.trouble', {}, error.message));
    }
    if (pressed) pressed.disabled = false;
  };
  return h('section.panel', { 'aria-labelledby': 'plan-title' }, h('h2', { id: 'plan-title' }, known.title), h('p', {}, known.about),
    h('form', { onsubmit: submit }, h('details', {}, h('summary', {}, 'Another file'), form.elements), h('div.form-buttons', {}, h('button.primary', { type: 'submit' }, 'Show what it would do'))), result);
}

function reload() {
  const known = state.commands.get('reload');
  return h('section.panel', { 'aria-labelledby': 'reload-title' }, h('h2', { id: 'reload-title' }, known.title), h('p', {}, known.about),
    h('div.form-buttons', {}, h('button', { type: 'button', 'data-command': 'reload', onclick: event => carryOut(known, {}, event.currentTarget) }, 'Reload…')));
}
