// Dialogs, made with the browser's own, which keep the focus and return it.

import { h } from './dom.js';
import { fieldsOf } from './forms.js';

/** Opens a dialog; the promise yields what `resolve` was given, or null if the dialog was left. */
export function dialog(label, build) {
  return new Promise(resolve => {
    const before = document.activeElement;
    const id = 'dialog-title';
    const box = h('dialog', { 'aria-labelledby': id });
    let result = null;
    const finish = value => { result = value; box.close(); };
    box.append(h('h2', { id }, label), ...[build(finish, box)].flat());
    box.addEventListener('close', () => {
      box.remove();
      (before?.isConnected ? before : document.getElementById('main'))?.focus();
      resolve(result);
    });
    box.addEventListener('click', event => { if (event.target === box) box.close(); });
    document.body.append(box);
    box.showModal();
  });
}

/** Asks for the fields of a command, and whether it is meant. `about` are elements that say what will
 * happen. With `typed`, that text has to be typed; with `final`, the button to leave has the focus. */
export function ask({ title, about = [], fields = [], given = {}, button, final = false, typed = null }) {
  return dialog(title, (finish, box) => {
    const form = fieldsOf(fields, given);
    const cancel = h('button', { type: 'button', onclick: () => finish(null) }, 'Cancel');
    const go = h(final ? 'button.danger' : 'button.primary', { type: 'submit' }, button);
    let proof = null;
    if (typed !== null) {
      const input = h('input', { id: 'typed', type: 'text', autocomplete: 'off', spellcheck: 'false' });
      input.addEventListener('input', () => { go.disabled = input.value.trim() !== typed; });
      go.disabled = true;
      proof = h('div.field', {}, h('label', { for: 'typed' }, 'To go on, type ', h('bdi.typed', {}, typed)), input);
    }
    // For an irreversible command, `Cancel` has the focus, so that a key pressed in passing confirms nothing.
    queueMicrotask(() => {
      if (final) cancel.focus();
      else (form.first ?? go).focus();
    });
    const submit = event => {
      event.preventDefault();
      finish(form.values());
    };
    box.classList.toggle('final', final);
    return h('form', { onsubmit: submit }, about, form.elements, proof, h('div.dialog-buttons', {}, cancel, go));
  });
}
