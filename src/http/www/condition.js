// How the component is, in words.

import { length, now, plural } from './format.js';
import { state } from './state.js';

/** Rooms older than this are not shown as if they were now, in milliseconds. */
const STALE = 20_000;

/** How things are, in two words. */
export function condition() {
  const { status, connection } = state;
  if (connection === 'lost') return { label: 'No connection', kind: 'bad' };
  if (!status) return { label: 'Connecting', kind: 'unknown' };
  if (!status.ready) return { label: status.linked ? 'Not ready' : 'No link', kind: 'bad' };
  return status.observe ? { label: 'Observing', kind: 'warn' } : { label: 'Ready', kind: 'good' };
}

/** What everybody has to see, whatever the view. */
export function warnings() {
  const { status, connection, retry, heard } = state;
  const found = [];
  if (connection === 'lost') {
    const old = heard ? `What is shown is ${roughly(now() - heard)} old.` : '';
    found.push(['lost', `No connection to the component. ${old} ${retry > now() + 1500 ? 'Trying again soon.' : 'Trying again …'}`, true]);
  } else if (heard && now() - heard > STALE && status && !status.linked) {
    found.push(['bad', `The rooms are as they were ${roughly(now() - heard)} ago.`]);
  }
  if (!status) return found;
  if (!status.ready) found.push(['bad', notReady(status)]);
  if (status.file) found.push(['warn', `${status.file[0].toUpperCase()}${status.file.slice(1)}.`]);
  if (status.observe) found.push(['warn', 'Only observing: nothing is enforced. Decisions are written down as what would have been.']);
  for (const { task, reason } of status.down ?? []) found.push(['warn', `${task} is down: ${reason}`]);
  const lost = entriesLost(status);
  if (lost) found.push(['warn', `${plural(lost, 'entry', 'entries')} of the audit could not be written and ${lost === 1 ? 'is' : 'are'} lost.`]);
  return found;
}

/** In steps of ten seconds. */
const roughly = milliseconds => length(Math.max(1000, milliseconds < 60_000 ? Math.floor(milliseconds / 10_000) * 10_000 : milliseconds));

/** Entries that could not be written down since the start. */
export const entriesLost = status => (status.log_lines_lost ?? 0) + (status.entries_lost ?? status.store?.lost ?? 0);

/** Why it is not ready. */
export function notReady(status) {
  if (!status.linked) return `The link to the server is down${status.trouble ? `: ${status.trouble}` : ''}. Joins are held, then refused.`;
  const silent = (status.services ?? []).filter(service => !service.gate).map(service => service.domain);
  if (silent.length) return `No gate has greeted for ${silent.join(', ')}: is the module loaded there?`;
  const unread = (status.services ?? []).filter(service => service.unread).map(service => service.domain);
  return unread.length ? `The rooms of ${unread.join(', ')} are being read.` : 'The component is not ready.';
}

