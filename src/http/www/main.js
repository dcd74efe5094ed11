// The entry point: finds out who the caller is, then shows the page.

import { endSession, get, token, ways, whenRefused } from './api.js';
import { forget, state } from './state.js';
import { load } from './reasons.js';
import { login } from './login.js';
import { shell } from './shell.js';
import * as live from './live.js';

const app = document.getElementById('app');
const ROLES = ['viewer', 'duty', 'operator'];
const BY_PROXY = 'The proxy in front of this page signed you in: sign out there, too.';
let leave = () => {};
/** The provider at which people sign in, and whether the session of this browser can be ended here. */
let provider = null;
let endsHere = false;

/** Takes the token from the address, and removes it there. */
function fromAddress() {
  if (!location.hash.startsWith('#login=')) return;
  token.set(decodeURIComponent(location.hash.slice('#login='.length)));
  history.replaceState(null, '', `${location.pathname}#/rooms`);
}

/** Takes from the address why the provider signed nobody in, as a word. */
function refusal() {
  if (!location.hash.startsWith('#refused=')) return '';
  const word = location.hash.slice('#refused='.length);
  history.replaceState(null, '', `${location.pathname}#/rooms`);
  return word;
}

/** Shows the page to a caller with a token or who is signed in without one, and the login to any other. */
async function enter() {
  leave();
  leave = () => {};
  app.setAttribute('aria-busy', 'true');
  try {
    const found = await ways(refusal());
    ({ provider, ends_here: endsHere } = found);
    if (!token.get() && !found.caller) return signOut(found.reason, !provider && found.reason && enter);
    const [table] = await Promise.all([get('commands'), load()]);
    take(table);
  } catch (error) {
    if (error.kind === 'unauthorized') return undefined;
    return unreachable(error);
  } finally {
    app.removeAttribute('aria-busy');
  }
  leave = shell(app, leavePage);
  live.start();
  return undefined;
}

function take(table) {
  state.caller = table.caller ?? { name: 'unknown', role: 'viewer' };
  const mine = ROLES.indexOf(state.caller.role);
  const commands = (table.commands ?? table).filter(each => ROLES.indexOf(each.role) <= mine);
  state.commands = new Map(commands.map(each => [each.name, each]));
}

/** Signs out, at the caller's own request. */
async function leavePage() {
  if (token.get()) return signOut();
  if (!endsHere) return signOut(BY_PROXY, enter);
  live.stop();
  await endSession();
  return signOut('You are signed out here. At the sign-in service you may still be signed in.');
}

function signOut(why = null, retry = null) {
  live.stop();
  leave();
  leave = () => {};
  token.clear();
  forget();
  document.title = 'Sign in · Vestibule';
  login(app, why, given => { token.set(given); enter(); }, retry, provider);
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
  else signOut('You are not signed in any more.', !provider && enter);
});
addEventListener('hashchange', () => {
  if (location.hash.startsWith('#login=')) { fromAddress(); enter(); }
});
fromAddress();
enter();
