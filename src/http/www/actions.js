// Commands as buttons. The table of commands decides which there are for a room, or for a person in it.

import { command } from './api.js';
import { attribute, h, text } from './dom.js';
import { ask } from './dialogs.js';
import { done, failed } from './toast.js';
import { state } from './state.js';
import { called, named, parts, visible } from './names.js';

/** Where a person must be, and in which state the room must be, for a command to make sense. A command that
 * is not listed makes sense everywhere. */
const FITS = {
  admit: ({ waits }) => waits,
  reject: ({ waits }) => waits,
  remove: ({ waits }) => !waits,
  hold: ({ waits }) => !waits,
  close: ({ room }) => room?.state !== 'closed' && room?.state !== 'suspended',
  reopen: ({ room }) => room?.state === 'closed',
  suspend: ({ room }) => room?.state !== 'suspended',
  resume: ({ room }) => room?.state === 'suspended',
};

/** Order of the buttons; commands that are not listed come after these. */
const ORDER = ['admit', 'reject', 'remove', 'hold', 'ban', 'close', 'reopen', 'suspend', 'resume', 'password', 'say', 'incident', 'end'];
/** Commands that only read, or that have a place of their own. */
const ELSEWHERE = new Set(['invite', 'unban', 'end-many', 'log', 'explain', 'room', 'incident']);

/** Commands that are asked about although they need nothing and can be undone, with what to know beforehand. */
const MEANT = { close: 'Nobody else can join, until the room is reopened. Those inside stay.' };

/** Fields that select the people that a command for several of them is meant for. */
const DESCRIBES = new Set(['all', 'since', 'match', 'class', 'network', 'moderators', 'dry_run']);

const field = (command, name) => command.fields.find(each => each.name === name);

/** Returns the field of a command that names a person. */
const personField = command => command.fields.find(each => ['jid', 'who', 'person'].includes(each.name));

function sorted(commands) {
  const place = each => (ORDER.indexOf(each.name) + 1) || ORDER.length + 1;
  return commands.sort((one, other) => place(one) - place(other));
}

/** Returns whether a command concerns people of one room. */
const isOfPeople = command => Boolean(personField(command) && field(command, 'room')?.required);

/** Returns the commands for a room, or for a person in it. */
export function fitting(situation) {
  const all = [...state.commands.values()].filter(each => each.stakes !== 'looks' && !ELSEWHERE.has(each.name));
  const about = situation.jid
    ? all.filter(each => isOfPeople(each) || (personField(each)?.required && field(each, 'room')))
    : all.filter(each => field(each, 'room')?.required && !personField(each));
  return sorted(about.filter(each => FITS[each.name]?.(situation) ?? true));
}

/** Returns the values of fields that follow from where the button is. */
function known(command, { room, jid }) {
  const given = {};
  // A field of another kind takes a pattern: a ban applies everywhere unless a pattern limits it.
  if (room && field(command, 'room')?.kind === 'room') given.room = room.room;
  const who = personField(command);
  if (jid && who) given[who.name] = jid;
  return given;
}

/** A button for a command in a situation: `{ room, jid, name, waits }`. */
export function button(command, situation, looks = '') {
  const target = situation.name ? visible(situation.name) : parts(situation.room?.room).local;
  const kind = command.stakes === 'final' ? '.danger-quiet' : looks;
  const act = event => carryOut(command, situation, event.currentTarget);
  return h(`button.act${kind}`, { type: 'button', 'data-command': command.name, title: command.about, 'aria-label': `${command.title}: ${target}`, onclick: act }, asks(command, situation) ? `${command.title}…` : command.title);
}

/** A button that applies a command to everybody who waits in a room. */
export function buttonForAll(command, room, looks = '') {
  const act = event => send(command, { room: room.room, all: true }, event.currentTarget);
  const label = `${command.title} all`;
  return h(`button.act${looks}`, { type: 'button', 'data-command': `${command.name}-all`, 'aria-label': `${label}: ${parts(room.room).local}`, onclick: act }, label);
}

/** A button that applies a command to the people who were chosen in a list; `chosen()` returns their addresses.
 * `refresh` is called when their number has changed. */
export function buttonForChosen(command, room, chosen) {
  const act = event => sendEach(command, room, chosen(), event.currentTarget);
  const made = h('button.act', { type: 'button', 'data-command': `${command.name}-chosen`, onclick: act });
  const refresh = () => {
    const number = chosen().length;
    const label = `${command.title} chosen${number ? ` (${number})` : ''}`;
    text(made, label);
    attribute(made, 'aria-label', `${label}: ${parts(room.room).local}`);
    attribute(made, 'aria-disabled', number ? null : 'true');
  };
  made.refresh = refresh;
  refresh();
  return made;
}

/** A button that asks which people in a room a command is meant for. */
export function buttonForSeveral(command, room) {
  const situation = { room, several: true };
  const act = event => carryOut(command, situation, event.currentTarget);
  return h('button.act', { type: 'button', 'data-command': `${command.name}-several`, title: command.about, 'aria-label': `${command.title}, several: ${parts(room.room).local}`, onclick: act }, `${command.title}: several…`);
}

/** Returns the fields to ask for: for one person, none that select others. */
function asked(command, situation) {
  const given = known(command, situation);
  const fits = each => (situation.several ? each !== personField(command) : !situation.jid || !isOfPeople(command) || !DESCRIBES.has(each.name));
  return command.fields.filter(each => !(each.name in given) && fits(each));
}

/** Returns whether a dialog is shown before the command is sent. */
const asks = (command, situation) => command.stakes === 'final' || command.name in MEANT || asked(command, situation).length > 0;

/** Sends a command, after asking for what it needs. */
export async function carryOut(command, situation = {}, pressed = null) {
  const given = known(command, situation);
  const open = asked(command, situation);
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

/** Sends a command, and reports how it went. */
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

/** Sends a command for one person after the other, and reports how it went. */
async function sendEach(known, room, jids, pressed) {
  if (!jids.length || pressed.getAttribute('aria-disabled')) return;
  pressed.setAttribute('aria-disabled', 'true');
  const people = [];
  const errors = [];
  for (const jid of jids) {
    try {
      people.push(...((await command(known.name, { room: room.room, jid })).people ?? []));
    } catch (error) {
      errors.push(error);
    }
  }
  if (people.length) done(said(known, { room: room.room }, { people }));
  if (errors.length) failed(errors[0]);
  pressed.refresh();
}

function described(command, { room, jid, name }) {
  const about = [h('p.about', {}, command.about)];
  if (room) about.push(h('p.target', {}, h('span', {}, 'Room'), named(room.room)));
  if (jid) about.push(h('p.target', {}, h('span', {}, 'Person'), named(name ? `${name} · ${jid}` : jid)));
  if (command.name in MEANT) about.push(h('p.hint', {}, MEANT[command.name]));
  if (command.stakes === 'final') about.push(h('p.warn', {}, 'This cannot be undone.'));
  return about;
}

function said(command, values, result) {
  const [one] = result?.people ?? [];
  const whom = values.jid && one?.jid === values.jid ? called(one)[0] : null;
  const about = [whom, values.jid ?? values.who ?? values.person, values.room ?? values.match].filter(Boolean).map(visible).join(' · ');
  const counted = Number.isFinite(result?.ended) ? ` (${result.ended} ended)` : '';
  const people = values.jid ? '' : ofPeople(result?.people);
  const what = result?.dry_run ? 'Nothing done' : 'Done';
  return `${what}: ${command.title.toLowerCase()}${about ? ` – ${about}` : ''}${counted}${people}`;
}

/** Counts what became of several people, and names those who are still there. */
function ofPeople(people) {
  if (!Array.isArray(people)) return '';
  const counts = new Map();
  for (const each of people) {
    const done = each.would ? `would be ${each.would}` : each.done;
    counts.set(done, (counts.get(done) ?? 0) + 1);
  }
  const told = [...counts].map(([done, count]) => `${count} ${done}`);
  const left = people.filter(each => each.done === 'remains').map(each => visible(called(each)[0] ?? each.jid));
  return ` (${told.join(', ')}${left.length ? `: ${left.join(', ')}` : ''})`;
}
