// Icons of 16 by 16, drawn with one line. They only repeat the words next to them.

import { svg } from './dom.js';

const PATHS = {
  rooms: 'M2.5 13.5h11M4 13.5v-10a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1v10M9.5 8v.5',
  stream: 'M2.5 4.5h11M2.5 8h7.5M2.5 11.5h9.5',
  charts: 'M2.5 13.5h11M4.5 11V8M8 11V3M11.5 11V6',
  log: 'M7 11.500a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.3 10.300l3.2 3.2',
  bans: 'M8 13.500a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11ZM4.2 4.200l7.6 7.6',
  doctor: 'M2.5 8.500h2.500l1.5-4 3 7 1.5-3h2.5',
  explain: 'M8 13.500a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11ZM6.5 6.700c0-.9.7-1.5 1.5-1.500s1.5.6 1.5 1.400c0 1.1-1.5 1.2-1.5 2.200M8 10.900v.1',
  server: 'M3 3.500h10v3.500H3zM3 9h10v3.500H3zM5.2 5.250v.1M5.2 10.750v.1',
  policy: 'M4 2.500h5.500L12.5 5.500v8h-8.500zM6.2 7.500h4M6.2 10h4',
  commands: 'M3 5l3 3-3 3M8 11.500h5',
  more: 'M3.5 8v.1M8 8v.1M12.5 8v.1',
  people: 'M6 7.500a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.400ZM2 13c0-2.2 1.8-3.7 4-3.700s4 1.5 4 3.700M10.8 3.500a2 2 0 0 1 0 3.800M11.8 9.600c1.4.5 2.2 1.7 2.2 3.4',
  waiting: 'M8 13.500a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11ZM8 5v3.200l2 1.3',
  lock: 'M4 7.500h8v6H4zM5.5 7.500V5.300a2.5 2.5 0 0 1 5 0v2.2',
  shield: 'M8 2.300l5 1.800v3.700c0 3-2.1 4.9-5 6-2.9-1.1-5-3-5-6V4.100z',
  lobby: 'M2.5 13.500h3v-8h5v8h3M8 9v.1',
  pause: 'M5.5 3.500v9M10.5 3.500v9',
  play: 'M5 3.200l7 4.8-7 4.800z',
  close: 'M4 4l8 8M12 4l-8 8',
  back: 'M9.5 3.500L5 8l4.5 4.5',
  warning: 'M8 2.800l5.8 10.400H2.200zM8 6.700v3M8 11.400v.1',
  check: 'M3 8.500l3.2 3.200L13 5',
  key: 'M10.5 8.500a3 3 0 1 0-2.6-1.500L3 12v1.500h2V12h1.500v-1.500h1.400l.6-.6',
  out: 'M6.5 13.500h-3v-11h3M10 5l3 3-3 3M13 8H6.5',
};

export function icon(name) {
  return svg('svg.icon', { viewBox: '0 0 16 16', 'aria-hidden': 'true', focusable: 'false' }, svg('path', { d: PATHS[name] ?? PATHS.more }));
}
