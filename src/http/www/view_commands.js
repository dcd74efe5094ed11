// Every command that this caller may give, by its form.

import { h, heading, put, replace } from './dom.js';
import { command } from './api.js';
import { ask } from './dialogs.js';
import { fieldsOf } from './forms.js';
import { capital } from './format.js';
import { chip } from './badges.js';
import { go, to } from './router.js';
import { state } from './state.js';
import { done, failed } from './toast.js';
import { tree } from './tree.js';

const STAKES = { looks: 'Only looks', changes: 'Changes something', final: 'Cannot be undone' };

export function commands(main, name) {
  const known = state.commands.get(name);
  if (known) return one(main, known);
  const groups = Object.entries(STAKES).map(([stakes, title]) => [title, [...state.commands.values()].filter(each => each.stakes === stakes)]);
  put(main, h('div.title', {}, heading('Commands')), h('p.lead', {}, 'Everything that you may do, here and on the command line.'),
    groups.filter(([, all]) => all.length).map(([title, all]) => h('section', {}, h('h2', {}, title),
      h('ul.plain.cards', {}, all.map(each => h('li.panel', {}, h('a', { href: to('commands', each.name) }, each.title), h('p', {}, each.about)))))));
  return undefined;
}

function one(main, known) {
  const form = fieldsOf(known.fields);
  const result = h('section', { 'aria-label': 'The reply', 'aria-live': 'polite' });
  const give = async (values, pressed) => {
    pressed.disabled = true;
    try {
      const reply = await command(known.name, values);
      if (known.stakes !== 'looks') done(`Done: ${known.title.toLowerCase()}`);
      replace(result, h('h2', {}, values.dry_run ? 'What it would do' : 'Reply'), tree(reply ?? {}));
    } catch (error) {
      failed(error);
    }
    pressed.disabled = false;
  };
  const submit = async event => {
    event.preventDefault();
    const pressed = event.submitter ?? go_;
    const values = form.values();
    if (known.stakes === 'final' && !values.dry_run && !(await isMeant(known, values))) return;
    await give(values, pressed);
  };
  const go_ = h(known.stakes === 'final' ? 'button.danger' : 'button.primary', { type: 'submit', 'data-command': known.name }, known.title);
  put(main, h('p.crumbs', {}, h('a', { href: to('commands') }, 'Commands')),
    h('div.title', {}, heading(known.title), chip(STAKES[known.stakes] ?? capital(known.stakes), known.stakes === 'final' ? 'deny' : 'plain')), h('p.lead', {}, known.about),
    h('form.panel.narrow', { onsubmit: submit }, form.elements, h('div.form-buttons', {}, go_, h('button', { type: 'button', onclick: () => go('commands') }, 'Back'))),
    result);
}

/** An irreversible command needs a confirmation; one on many rooms, their pattern typed again. */
async function isMeant(known, values) {
  const about = [h('p.about', {}, known.about), tree(values), h('p.warn', {}, 'This cannot be undone.')];
  let typed = null;
  if (known.fields.some(field => field.name === 'match')) {
    typed = values.match ?? 'all';
    const preview = known.fields.some(field => field.name === 'dry_run') ? await command(known.name, { ...values, dry_run: true }).catch(error => { failed(error); return null; }) : {};
    if (!preview) return false;
    if (Object.keys(preview).length) about.splice(1, 0, h('div.preview', {}, h('h3', {}, 'What will be ended'), tree(preview)));
  }
  return (await ask({ title: known.title, about, button: known.title, final: true, typed })) !== null;
}
