// Small marks with a meaning: verdicts, states, roles. The word is always there, never the colour alone.

import { h, replace } from './dom.js';
import { findings } from './condition.js';
import { capital, count, plural, words } from './format.js';

const KIND = { allow: 'allow', hold: 'hold', prompt: 'prompt', deny: 'deny' };

/** The words for verdicts. */
export const VERDICTS = { allow: 'Allowed', hold: 'Held', prompt: 'Prompted', deny: 'Denied' };

/** A badge for a verdict. */
export const verdict = (name, observed = false) =>
  h(`span.verdict.${KIND[name] ?? 'other'}`, { title: observed ? 'Only observed: not carried out' : null },
    h('span.dot'), VERDICTS[name] ?? capital(words(name)), observed && h('span.observed', {}, 'observed'));

const STATES = { open: ['allow', 'Open'], held: ['hold', 'Held'], closed: ['shut', 'Closed'], suspended: ['deny', 'Suspended'] };

/** Returns the state of a room, as `[kind, word]`. */
export function stateOf(room) {
  return STATES[room.state] ?? (room.closed ? STATES.closed : room.opened ? STATES.open : STATES.held);
}

/** A badge for the state of a room. */
export function roomState(room) {
  const [kind, word] = stateOf(room);
  return h(`span.chip.${kind}`, {}, word);
}

/** Returns whether a person waits and nobody is there who could let them in. */
export const isUrgent = room => room.waiting > 0 && !room.moderators;

/** Wrong passwords and denials within five minutes above which a room counts as under attack. */
const ATTACK = 10;

/** Returns how many joins of a room were refused in the last five minutes: wrong passwords and denials. */
export const refusedAt = room => (room.refused?.wrong_passwords ?? 0) + (room.refused?.denied ?? 0);

/** Returns whether so many joins of a room are refused that a stranger seems to try to get in. */
export const isAttacked = room => refusedAt(room) >= ATTACK;

/** Returns the refused joins of a room in words: "16 wrong passwords, 4 refused". */
export function refusals({ refused = {} }) {
  const { wrong_passwords: wrong = 0, denied = 0 } = refused;
  return [wrong && plural(wrong, 'wrong password'), denied && `${count(denied)} refused`].filter(Boolean).join(', ');
}

/** A badge with the doctor's findings, to be refreshed when the status has changed; `short` where there is little room. */
export function findingsBadge(short = false) {
  const element = h('span.badge-count', { hidden: true });
  let shown = null;
  return {
    element,
    refresh() {
      const found = findings();
      if (shown === JSON.stringify(found)) return;
      shown = JSON.stringify(found);
      element.hidden = !found;
      if (!found) return;
      const { number, kind, word, all } = found;
      const seen = short ? `${number}${word && '!'}` : `${number} ${word}`.trim();
      element.className = `badge-count ${kind}`;
      replace(element, h('span', { 'aria-hidden': 'true' }, seen), h('span.unseen', {}, word ? `${number} ${word}, ${all} in all` : all));
    },
  };
}

/** A badge of little contrast. */
export const chip = (word, kind = 'plain', title = null) => h(`span.chip.${kind}`, { title }, word);

/** A badge for a class of requesters. */
export const requesterClass = name => (name ? h('span.class', {}, words(name)) : null);
