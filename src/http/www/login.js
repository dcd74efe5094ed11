// The login: a token, from a link or pasted.

import { h, replace } from './dom.js';
import { icon } from './icons.js';

/** Shows the form. `why` is the reason for it; `retry` is offered if the reason may pass by itself, and `provider` is where
 * people can sign in without a token. */
export function login(app, why, given, retry = null, provider = null) {
  const input = h('input', { id: 'token', type: 'password', autocomplete: 'current-password', required: true, spellcheck: 'false' });
  const submit = event => {
    event.preventDefault();
    const value = input.value.trim();
    if (value) given(value);
  };
  replace(app, h('main.login', { id: 'main', tabindex: '-1' },
    h('div.login-box', {},
      h('div.brand', {}, mark(), h('h1', {}, 'Vestibule')),
      why && h('p.login-why', { role: 'alert' }, icon('warning'), why),
      provider && h('button.primary.wide', { type: 'button', id: 'provider', onclick: () => location.assign('/sign-in/oidc') }, h('span', {}, 'Sign in with ', h('bdi', {}, provider))),
      h('form', { onsubmit: submit },
        h('div.field', {}, h('label', { for: 'token' }, 'Token'), input),
        h(provider ? 'button.wide' : 'button.primary.wide', { type: 'submit' }, provider ? 'Sign in with a token' : 'Sign in')),
      retry && h('button.wide', { type: 'button', onclick: retry }, 'Try again'),
      h('p.hint', {}, 'No token at hand? On the server, ', h('code', {}, 'vestibule page'), ' prints a link that signs you in.'))));
  (app.querySelector('#provider') ?? input).focus();
}

/** The logo of the product. */
export const mark = () => h('span.mark', { 'aria-hidden': 'true' });
