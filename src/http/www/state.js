// What is known of the component, and the listeners for changes. A listener is called once a
// frame at most, however many events came in.

import { now } from './format.js';

/** Most entries that are kept for the stream. */
const KEPT = 3000;

export const state = {
  /** `{ name, role }` of the caller, once known. */
  caller: null,
  /** Commands that this caller may give, by name. */
  commands: new Map(),
  status: null,
  /** Rooms by address. */
  rooms: new Map(),
  /** When rooms were last received, in milliseconds; 0 for never. */
  heard: 0,
  /** The newest entries of the audit, oldest first. */
  entries: [],
  /** Number of entries that were missed, because the page was too slow or not connected. */
  missed: 0,
  /** State of the stream: `connecting`, `live` or `lost`. */
  connection: 'connecting',
  /** Time of the next try, in milliseconds. */
  retry: 0,
};

const listeners = new Map();
const dirty = new Set();
let scheduled = false;

/** Calls `listener` after changes of `topic`; returns a function that ends this. */
export function on(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(listener);
  return () => listeners.get(topic).delete(listener);
}

/** Notifies the listeners of `topic`. */
export function changed(topic) {
  dirty.add(topic);
  if (scheduled) return;
  scheduled = true;
  // A hidden page has no frames, and nobody to see them.
  requestAnimationFrame(() => {
    scheduled = false;
    const topics = [...dirty];
    dirty.clear();
    for (const each of topics) for (const listener of [...(listeners.get(each) ?? [])]) listener();
  });
}

/** Takes an event `rooms`: all of them, or what has changed. */
export function takeRooms(event) {
  const whole = Array.isArray(event) ? event : event.rooms;
  if (whole) {
    state.rooms = new Map(whole.map(room => [room.room, room]));
  } else {
    for (const room of event.changed ?? []) state.rooms.set(room.room, room);
    for (const gone of event.gone ?? []) state.rooms.delete(gone);
  }
  state.heard = now();
  changed('rooms');
}

const fresh = new Set();

/** Calls `listener` with the entries of each event, as they come. */
export function onEntries(listener) {
  fresh.add(listener);
  return () => fresh.delete(listener);
}

/** The last number of each server: each counts for itself, and numbers only grow. */
const last = new Map();

function isNew({ server = '', seq }) {
  if (seq <= (last.get(server) ?? -1)) return false;
  last.set(server, seq);
  return true;
}

/** Takes an event `entries`. */
export function takeEntries({ entries = [], dropped = 0 }) {
  const added = entries.filter(isNew);
  for (const entry of added) state.entries.push(entry);
  if (state.entries.length > KEPT) state.entries.splice(0, state.entries.length - KEPT);
  state.missed += dropped;
  for (const listener of [...fresh]) listener(added);
  changed('entries');
}

/** Forgets everything, when the caller signs out. */
export function forget() {
  last.clear();
  Object.assign(state, {
    caller: null, commands: new Map(), status: null, rooms: new Map(), heard: 0, entries: [], missed: 0,
    connection: 'connecting', retry: 0,
  });
}

/** Returns whether this caller may give a command. */
export const may = name => state.commands.has(name);
