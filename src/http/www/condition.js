// The condition of the component, in words.

import { count, length, now, plural } from './format.js';
import { state } from './state.js';

/** Age in milliseconds above which rooms are shown as out of date. */
const STALE = 20_000;

/** Returns the condition in two words. */
export function condition() {
  const { status, connection } = state;
  if (connection === 'lost') return { label: 'No connection', kind: 'bad' };
  if (!status) return { label: 'Connecting', kind: 'unknown' };
  if (!status.ready) return { label: status.linked ? 'Not ready' : 'No link', kind: 'bad' };
  return status.observe ? { label: 'Observing', kind: 'warn' } : { label: 'Ready', kind: 'good' };
}

/** Warnings that are shown in every view. */
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

/** Returns the doctor's findings for a badge: `{ number, kind, word, all }`, the number of critical ones if there are
 * any; null without findings. */
export function findings() {
  const { critical = 0, warning = 0, note = 0 } = state.status?.doctor ?? {};
  const all = critical + warning + note;
  if (!all) return null;
  return critical
    ? { number: count(critical), kind: 'bad', word: 'critical', all: plural(all, 'finding') }
    : { number: count(all), kind: 'warn', word: '', all: plural(all, 'finding') };
}

/** Formats a duration, below a minute in steps of ten seconds. */
const roughly = milliseconds => length(Math.max(1000, milliseconds < 60_000 ? Math.floor(milliseconds / 10_000) * 10_000 : milliseconds));

/** Returns the number of entries lost since the start. */
export const entriesLost = status => (status.log_lines_lost ?? 0) + (status.entries_lost ?? status.store?.lost ?? 0);

/** Returns why the component is not ready. */
export function notReady(status) {
  if (!status.linked) return `The link to the server is down${status.trouble ? `: ${status.trouble}` : ''}. Joins are held, then refused.`;
  const silent = (status.services ?? []).filter(service => !service.gate).map(service => service.domain);
  if (silent.length) return `No gate has connected for ${silent.join(', ')}: is the module loaded there?`;
  const unread = (status.services ?? []).filter(service => service.unread).map(service => service.domain);
  return unread.length ? `The rooms of ${unread.join(', ')} are being read.` : 'The component is not ready.';
}

