// The API: every request goes through one function.

import { learn } from './format.js';

const KEY = 'vestibule.token';

/** A request that failed, with the reason in words; `kind` as in the API, or `unreachable`. */
export class Trouble extends Error {
  constructor(kind, reason) {
    super(reason);
    this.kind = kind;
  }
}

let refused = () => {};

/** Calls `listener` when the token is no longer valid. */
export function whenRefused(listener) {
  refused = listener;
}

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: value => sessionStorage.setItem(KEY, value),
  clear: () => sessionStorage.removeItem(KEY),
};

/** Headers of a request: the token, or, without one, what proves that the page itself asks. */
const proof = sent => (sent ? { Authorization: `Bearer ${sent}` } : { 'X-Vestibule-Page': '1' });

/** Returns who this browser is signed in as without a token, and how it can be: `{ caller, reason, ends_here, provider }`.
 * `refused` is the word in the address for why the provider signed nobody in. */
export async function ways(refused = '') {
  try {
    const response = await fetch(`/sign-in?${new URLSearchParams({ refused })}`, { cache: 'no-store', headers: proof(null) });
    return await response.json();
  } catch {
    throw new Trouble('unreachable', 'The component cannot be reached.');
  }
}

/** Ends the session of this browser. */
export const endSession = () => fetch('/sign-in/out', { method: 'POST', headers: proof(null) }).catch(() => null);

/** Returns a response of the API, whatever its status, unless that is 401. */
export async function open(path, options = {}) {
  const sent = token.get();
  let response;
  try {
    response = await fetch(`/api/v1/${path}`, {
      ...options,
      cache: 'no-store',
      headers: { ...options.headers, ...proof(sent) },
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Trouble('unreachable', 'The component cannot be reached.');
  }
  learn(response.headers.get('date'));
  if (response.status === 401) {
    if (token.get() === sent) refused();
    throw new Trouble('unauthorized', 'You are not signed in any more.');
  }
  return response;
}

async function read(response) {
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  const { kind, reason } = body?.failed ?? {};
  throw new Trouble(kind ?? 'nonsense', reason ?? `The component answered ${response.status} without a reason.`);
}

/** Returns what the API has at a path: `get('rooms')`, `get('log', { room })`. */
export async function get(path, query = {}, options = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const search = new URLSearchParams(given).toString();
  const body = await read(await open(search ? `${path}?${search}` : path, options));
  return body?.done ?? body;
}

/** Sends a command; returns its result. */
export async function command(name, fields = {}) {
  const response = await open(`commands/${encodeURIComponent(name)}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(fields),
  });
  return (await read(response)).done;
}
