// The state of the component and the services.

import { h, heading, put, replace } from './dom.js';
import { count, length, words } from './format.js';
import { chip, VERDICTS } from './badges.js';
import { visible } from './names.js';
import { on, state } from './state.js';
import { entriesLost, notReady } from './condition.js';
import { tree } from './tree.js';

/** Values that have a place of their own below. */
const SHOWN = new Set(['version', 'ready', 'linked', 'trouble', 'revision', 'file', 'observe', 'services', 'rooms', 'decisions', 'log_lines_lost', 'uptime', 'drift']);

/** Words for names of the API that say too little by themselves. */
const LABELS = {
  by_gate: 'Settled by a gate alone', audits: 'Comparisons since the start', found: 'Differences found', present: 'Differences there now',
  repaired: 'Repaired', rooms: 'Rooms, the last time', store: 'Audit database', lost: 'Entries lost', trouble: 'What is wrong',
  elections: 'Times that another server took over', unlisted: 'Log-ins that the file does not name', strangers: 'Gates that are refused', down: 'Parts that are down', doctor: 'What the doctor found last',
};
const named_ = value => Object.fromEntries(Object.entries(value).map(([name, each]) =>
  [LABELS[name] ?? name, each && typeof each === 'object' && !Array.isArray(each) ? named_(each) : each]));

export function server(main) {
  const place = h('div');
  put(main, h('div.title', {}, heading('Server')), place);
  let shown = '';
  const refresh = () => {
    const { status } = state;
    // Counters that only grow cause no new layout while the page is read.
    const key = JSON.stringify({ ...status, uptime: Math.floor((status?.uptime ?? 0) / 60) });
    if (key !== shown) { shown = key; replace(place, status ? about(status) : h('p.hint', {}, 'Asking …')); }
  };
  refresh();
  return on('status', refresh);
}

function about(status) {
  const tally = Object.entries(status.decisions ?? {}).filter(([, value]) => typeof value === 'number');
  const rest = Object.fromEntries(Object.entries(status).filter(([name]) => !SHOWN.has(name)));
  return [
    h('div.figures', {},
      figure('State', status.ready ? 'Ready' : 'Not ready', status.ready ? null : notReady(status)),
      figure('Link', status.linked ? 'Up' : 'Down', status.trouble && visible(status.trouble)),
      figure('Mode', status.observe ? 'Observing' : 'Enforcing'),
      figure('Rooms', count(status.rooms)),
      figure('Policy', h('code', {}, status.revision)),
      figure('Running for', length(status.uptime * 1000), `version ${status.version}`),
      figure('Audit', entriesLost(status) ? `${count(entriesLost(status))} lost` : 'Complete')),
    h('section', {}, h('h2', {}, 'Services'), h('ul.plain.cards', {}, (status.services ?? []).map(service))),
    tally.length ? h('section', {}, h('h2', {}, 'Decisions since the start'), h('div.figures', {}, tally.map(([name, value]) => figure(VERDICTS[name] ?? LABELS[name] ?? words(name), count(value))))) : null,
    status.drift && Object.keys(status.drift).length ? h('section', {}, h('h2', {}, 'Rooms that differed from the policy'), tree(named_(status.drift))) : null,
    Object.keys(rest).length ? h('section', {}, h('h2', {}, 'Other'), tree(named_(rest))) : null,
  ];
}

const figure = (title, value, more = null) => h('dl.figure', {}, h('dt', {}, title), h('dd', {}, value, more && h('span.hint', {}, more)));

function service(each) {
  return h('li.panel', {},
    h('h3', {}, h('bdi', {}, visible(each.domain))), chip(each.gate ? `Gate ${each.gate}` : 'No gate', each.gate ? 'allow' : 'deny'),
    h('p', {}, each.server ? visible(each.server) : 'Nothing has connected from there.'),
    each.failure && h('p.hint', {}, each.failure === 'allow' ? 'While the component is away, joins are let through.' : 'While the component is away, joins are refused.'),
    each.neighbours?.length ? h('ul', {}, each.neighbours.map(text => h('li', {}, visible(text)))) : null);
}
