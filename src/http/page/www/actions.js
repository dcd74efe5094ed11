// Commands as buttons: which there are for a room, or for somebody in it, comes from the table.

import { command } from './api.js';
import { h } from './dom.js';
import { ask } from './dialogs.js';
import { done, failed } from './toast.js';
import { state } from './state.js';
import { named, parts, visible } from './names.js';

/** Where somebody has to be, and how the room has to be, for a command to make sense there. What is not
 * in here makes sense everywhere. */
const FITS = {
  admit: ({ waits }) => waits,
  reject: ({ waits }) => waits,
  remove: ({ waits }) => !waits,
  close: ({ room }) => room?.state !== 'closed' && room?.state !== 'suspended',
  reopen: ({ room }) => room?.state === 'closed',
  suspend: ({ room }) => room?.state !== 'suspended',
  resume: ({ room }) => room?.state === 'suspended',
};

/** The order of buttons; what is new comes after these. */
const ORDER = ['admit', 'reject', 'remove', 'ban', 'close', 'reopen', 'suspend', 'resume', 'password', 'say', 'incident', 'end'];
/** Commands that look, or that have a place of their own. */
const ELSEWHERE = new Set(['unban', 'end-many', 'log', 'explain', 'room', 'incident']);

const field = (command, name) => command.fields.find(each => each.name === name);

/** The field of a command that names a person. */
const personField = command => command.fields.find(each => ['jid', 'who', 'person'].includes(each.name));

function sorted(commands) {
  const place = each => (ORDER.indexOf(each.name) + 1) || ORDER.length + 1;
  return commands.sort((one, other) => place(one) - place(other));
}

/** The commands for a room, or for somebody there. */
export function fitting(situation) {
  const all = [...state.commands.values()].filter(each => each.stakes !== 'looks' && !ELSEWHERE.has(each.name));
  const about = situation.jid
    ? all.filter(each => personField(each)?.required && field(each, 'room'))
    : all.filter(each => field(each, 'room')?.required && !personField(each)?.required);
  return sorted(about.filter(each => FITS[each.name]?.(situation) ?? true));
}

/** What a command is given by where its button stands. */
function known(command, { room, jid }) {
  const given = {};
  // A field of another kind is for patterns: whoever is banned is banned everywhere, unless somebody writes where.
  if (room && field(command, 'room')?.kind === 'room') given.room = room.room;
  const who = personField(command);
  if (jid && who) given[who.name] = jid;
  return given;
}

/** A button for a command in a situation: `{ room, jid, nick, waits }`. */
export function button(command, situation, looks = '') {
  const target = situation.nick ? visible(situation.nick) : parts(situation.room?.room).local;
  const kind = command.stakes === 'final' ? '.danger-quiet' : looks;
  const act = event => carryOut(command, situation, event.currentTarget);
  return h(`button.act${kind}`, { type: 'button', 'data-command': command.name, title: command.about, 'aria-label': `${command.title}: ${target}`, onclick: act }, asks(command, situation) ? `${command.title}…` : command.title);
}

/** Whether something is asked before it is given. */
const asks = (command, situation) => command.stakes === 'final' || command.fields.some(each => !(each.name in known(command, situation)));

/** Gives a command, after asking for what it needs. */
export async function carryOut(command, situation = {}, pressed = null) {
  const given = known(command, situation);
  const open = command.fields.filter(each => !(each.name in given));
  let values = given;
  if (asks(command, situation)) {
    const filled = await ask({
      title: command.title,
      about: described(command, situation),
      fields: open,
      button: command.title,
      final: command.stakes === 'final',
    });
    if (!filled) return null;
    values = { ...given, ...filled };
  }
  return send(command, values, pressed);
}

/** Sends a command, and says how it went. */
export async function send(known, values, pressed = null) {
  // A button that is disabled would lose the focus.
  if (pressed?.getAttribute('aria-disabled')) return null;
  pressed?.setAttribute('aria-disabled', 'true');
  try {
    const result = await command(known.name, values);
    done(said(known, values, result));
    return result ?? {};
  } catch (error) {
    failed(error);
    return null;
  } finally {
    pressed?.removeAttribute('aria-disabled');
  }
}

function described(command, { room, jid, nick }) {
  const about = [h('p.about', {}, command.about)];
  if (room) about.push(h('p.target', {}, h('span', {}, 'Room'), named(room.room)));
  if (jid) about.push(h('p.target', {}, h('span', {}, 'Person'), named(nick ? `${nick} · ${jid}` : jid)));
  if (command.stakes === 'final') about.push(h('p.warn', {}, 'This cannot be undone.'));
  return about;
}

function said(command, values, result) {
  const about = [values.jid ?? values.who ?? values.person, values.room ?? values.match].filter(Boolean).map(visible).join(' · ');
  const counted = Number.isFinite(result?.ended) ? ` (${result.ended} ended)` : '';
  return `Done: ${command.title.toLowerCase()}${about ? ` – ${about}` : ''}${counted}`;
}
