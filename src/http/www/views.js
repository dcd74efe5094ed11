// All views: where each is in the navigation, and which roles see it.

import { may } from './state.js';
import { bans } from './view_bans.js';
import { charts } from './view_charts.js';
import { commands } from './view_commands.js';
import { doctor } from './view_doctor.js';
import { explain } from './view_explain.js';
import { log } from './view_log.js';
import { more } from './view_more.js';
import { policy } from './view_policy.js';
import { room } from './view_room.js';
import { rooms } from './view_rooms.js';
import { server } from './view_server.js';
import { stream } from './view_stream.js';

const always = () => true;

/** In the order of the navigation. `key`: after `g`; `tab`: has a place at the bottom of a phone. */
export const VIEWS = [
  { name: 'rooms', title: 'Rooms', icon: 'rooms', key: 'r', tab: true, offered: always, mount: rooms },
  { name: 'decisions', title: 'Decisions', icon: 'stream', key: 'd', tab: true, offered: always, mount: stream },
  { name: 'charts', title: 'Charts', icon: 'charts', key: 'c', tab: true, offered: always, mount: charts },
  { name: 'log', title: 'Log', icon: 'log', key: 'l', tab: true, offered: always, mount: log },
  { name: 'bans', title: 'Bans', icon: 'bans', key: 'b', offered: () => may('bans'), mount: bans },
  { name: 'explain', title: 'Explain', icon: 'explain', key: 'e', offered: () => may('explain'), mount: explain },
  { name: 'doctor', title: 'Doctor', icon: 'doctor', key: 'o', offered: () => may('doctor'), mount: doctor },
  { name: 'policy', title: 'Policy', icon: 'policy', key: 'p', offered: () => may('plan') || may('reload'), mount: policy },
  { name: 'commands', title: 'Commands', icon: 'commands', key: 'm', offered: always, mount: commands },
  { name: 'server', title: 'Server', icon: 'server', key: 's', offered: always, mount: server },
  { name: 'more', title: 'More', icon: 'more', offered: always, mount: more },
];

const ROOM = { name: 'room', title: 'Room', under: 'rooms', mount: room };

/** Returns the view of that name, or the first. */
export const viewOf = name => (name === 'room' ? ROOM : VIEWS.find(view => view.name === name && view.offered()) ?? VIEWS[0]);
