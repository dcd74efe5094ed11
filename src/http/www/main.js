// The entry point: finds out who the caller is, then shows the page.

import { get, token, ways, whenRefused } from './api.js';
import { forget, state } from './state.js';
import { load } from './reasons.js';
import { login } from './login.js';
import { shell } from './shell.js';
import * as live from './live.js';

const app = document.getElementById('app');
const ROLES = ['viewer', 'duty', 'operator'];
const BY_PROXY = 'The proxy in front of this page signed you in: sign out there, too.';
let leave = () => {};

/** Takes the token from the address, and removes it there. */
function fromAddress() {
  if (!location.hash.startsWith('#login=')) return;
  token.set(decodeURIComponent(location.hash.slice('#login='.length)));
  history.replaceState(null, '', `${location.pathname}#/rooms`);
}

/** Shows the page to a caller with a token or whom the proxy names, and the login to any other. */
async function enter() {
  leave();
  leave = () => {};
  app.setAttribute('aria-busy', 'true');
  try {
    if (!token.get()) {
      const { caller, reason } = await ways();
      if (!caller) return signOut(reason, reason && enter);
    }
    const [table] = await Promise.all([get('commands'), load()]);
    take(table);
  } catch (error) {
    if (error.kind === 'unauthorized') return undefined;
    return unreachable(error);
  } finally {
    app.removeAttribute('aria-busy');
  }
  leave = shell(app, () => (token.get() ? signOut() : signOut(BY_PROXY, enter)));
  live.start();
  return undefined;
}

function take(table) {
  state.caller = table.caller ?? { name: 'unknown', role: 'viewer' };
  const mine = ROLES.indexOf(state.caller.role);
  const commands = (table.commands ?? table).filter(each => ROLES.indexOf(each.role) <= mine);
  state.commands = new Map(commands.map(each => [each.name, each]));
}

function signOut(why = null, retry = null) {
  live.stop();
  leave();
  leave = () => {};
  token.clear();
  forget();
  document.title = 'Sign in · Vestibule';
  login(app, why, given => { token.set(given); enter(); }, retry);
}

function unreachable(error) {
  login(app, error.message, given => { token.set(given); enter(); }, () => enter());
}

document.getElementById('skip').addEventListener('click', event => {
  event.preventDefault();
  document.getElementById('main')?.focus();
});
whenRefused(() => {
  if (token.get()) signOut('Your token is not valid any more. Sign in with another one.');
  else signOut('You are not signed in any more.', enter);
});
addEventListener('hashchange', () => {
  if (location.hash.startsWith('#login=')) { fromAddress(); enter(); }
});
fromAddress();
enter();
