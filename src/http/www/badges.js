// Small marks with a meaning: verdicts, states, roles. The word is always there, never the colour alone.

import { h } from './dom.js';
import { capital, words } from './format.js';

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

/** A badge of little contrast. */
export const chip = (word, kind = 'plain', title = null) => h(`span.chip.${kind}`, { title }, word);

/** A badge for a class of requesters. */
export const requesterClass = name => (name ? h('span.class', {}, words(name)) : null);
