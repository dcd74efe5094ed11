// The entry point: finds out who the caller is, then shows the page.

import { get, token, whenRefused } from './api.js';
import { changed, forget, state } from './state.js';
import { load } from './reasons.js';
import { login } from './login.js';
import { shell } from './shell.js';
import * as live from './live.js';

const app = document.getElementById('app');
const ROLES = ['viewer', 'duty', 'operator'];
let leave = () => {};

/** Takes the token from the address, and removes it there. */
function fromAddress() {
  if (!location.hash.startsWith('#login=')) return;
  token.set(decodeURIComponent(location.hash.slice('#login='.length)));
  history.replaceState(null, '', `${location.pathname}#/rooms`);
}

/** Shows the page to a caller with a token, and the login to any other. */
async function enter() {
  leave();
  leave = () => {};
  if (!token.get()) return signOut();
  app.setAttribute('aria-busy', 'true');
  try {
    const [table] = await Promise.all([get('commands'), load()]);
    take(table);
  } catch (error) {
    if (error.kind === 'unauthorized') return undefined;
    return unreachable(error);
  } finally {
    app.removeAttribute('aria-busy');
  }
  leave = shell(app, signOut);
  live.start();
  if (state.commands.has('doctor')) review();
  return undefined;
}

function take(table) {
  state.caller = table.caller ?? { name: 'unknown', role: 'viewer' };
  const mine = ROLES.indexOf(state.caller.role);
  const commands = (table.commands ?? table).filter(each => ROLES.indexOf(each.role) <= mine);
  state.commands = new Map(commands.map(each => [each.name, each]));
}

/** Fetches the doctor's last findings, for the number next to its name. */
async function review() {
  state.doctor = await get('doctor').catch(() => null);
  changed('doctor');
}

function signOut(why = null) {
  live.stop();
  leave();
  leave = () => {};
  token.clear();
  forget();
  document.title = 'Sign in · Vestibule';
  login(app, why, given => { token.set(given); enter(); });
}

function unreachable(error) {
  login(app, error.message, given => { token.set(given); enter(); }, () => enter());
}

document.getElementById('skip').addEventListener('click', event => {
  event.preventDefault();
  document.getElementById('main')?.focus();
});
whenRefused(() => signOut('Your token is not valid any more. Sign in with another one.'));
addEventListener('hashchange', () => {
  if (location.hash.startsWith('#login=')) { fromAddress(); enter(); }
});
fromAddress();
enter();
