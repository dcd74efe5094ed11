// The stream of events (text/event-stream), read by fetch because it takes a token. When it breaks
// off it is opened again, and everything is fetched again.

import { get, open } from './api.js';
import { now } from './format.js';
import { changed, state, takeEntries, takeRooms } from './state.js';

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
/** Time without a byte after which the connection is dead, whatever TCP reports. The component sends more often. */
const SILENCE = 40_000;

let running = null;
let wake = () => {};

/** Starts to listen, until `stop`. */
export function start() {
  stop();
  running = new AbortController();
  listen(running.signal);
}

/** Ends listening. */
export function stop() {
  running?.abort();
  running = null;
  wake();
}

/** Tries again now. */
export function retryNow() {
  wake();
}
addEventListener('online', () => wake());

async function listen(signal) {
  let wait = FIRST_WAIT;
  while (!signal.aborted) {
    try {
      await once(signal, () => { wait = FIRST_WAIT; });
    } catch (error) {
      if (signal.aborted || error.kind === 'unauthorized') return;
    }
    if (signal.aborted) return;
    const jittered = wait * (0.8 + 0.4 * Math.random());
    state.connection = 'lost';
    state.retry = now() + jittered;
    changed('connection');
    await new Promise(resolve => { wake = resolve; setTimeout(resolve, jittered); });
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

async function once(signal, opened) {
  const attempt = new AbortController();
  const abort = () => attempt.abort();
  signal.addEventListener('abort', abort);
  let timer = setTimeout(abort, SILENCE);
  try {
    await refetch(attempt.signal);
    const response = await open('stream', { signal: attempt.signal });
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
    await catchUp(attempt.signal);
    opened();
    state.connection = 'live';
    changed('connection');
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(abort, SILENCE);
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop();
      blocks.forEach(take);
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    abort();
  }
}

/** Fetches the state without the stream, so that there is something to see even if it cannot be opened. */
async function refetch(signal) {
  const [status, rooms] = await Promise.allSettled([get('status', {}, { signal }), get('rooms', {}, { signal })]);
  if (status.status === 'rejected') throw status.reason;
  state.status = status.value;
  changed('status');
  if (rooms.status === 'fulfilled') takeRooms(rooms.value);
}

/** Fetches entries from before the stream, and from while it was interrupted. */
async function catchUp(signal) {
  const last = state.entries.at(-1)?.seq;
  const found = await get('log', last === undefined ? { limit: 200 } : { after: last, limit: 500 }, { signal }).catch(() => null);
  if (!found) return;
  takeEntries({ entries: inOrder(found.entries ?? found) });
}

/** Returns entries, oldest first. */
export const inOrder = entries => [...entries].sort((one, other) => one.seq - other.seq);

function take(block) {
  let event = 'message';
  const data = [];
  for (const line of block.split('\n')) {
    if (line.startsWith('event:')) event = line.slice(6).trim();
    else if (line.startsWith('data:')) data.push(line.slice(5));
  }
  if (!data.length) return;
  const value = JSON.parse(data.join('\n'));
  if (event === 'rooms') takeRooms(value);
  else if (event === 'entries') takeEntries(value);
  else if (event === 'status') {
    state.status = value;
    changed('status');
  }
}
