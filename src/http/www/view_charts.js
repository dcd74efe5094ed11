// The last hour in numbers.

import { h, heading, put, replace } from './dom.js';
import { get } from './api.js';
import { count, hour, latency } from './format.js';
import { bars, lines, stacked } from './charts.js';
import { rule as meaning } from './reasons.js';
import { VERDICTS } from './badges.js';
import { read } from './summary.js';
import { to } from './router.js';

/** Interval at which the numbers are fetched, in milliseconds. */
const OFTEN = 10_000;

export function charts(main) {
  const joins = panel('Attempts a minute');
  const refusals = panel('Refusals and wrong passwords by rule, this hour');
  const times = panel('Time to decide');
  refusals.classList.add('wide-panel');
  put(main, h('div.title', {}, heading('Charts'), h('span.total', {}, 'The last hour')), h('div.charts', {}, joins, times, refusals));
  let here = true;

  let summary = null;

  async function refresh() {
    try {
      summary = read(await get('metrics-summary'));
    } catch (error) {
      if (here && error.kind !== 'unauthorized') for (const each of [joins, refusals, times]) draw(each, () => h('p.hint', {}, error.message));
      return;
    }
    if (here) show();
  }

  function show() {
    if (!summary) return;
    const { minutes } = summary;
    const labels = minutes.map(each => hour(each.at));
    draw(joins, width => stacked(labels, Object.entries(VERDICTS).map(([name, title]) => ({ kind: name, title, values: minutes.map(each => each.joins[name] ?? 0) })), count, width),
      table('Attempts a minute', ['Minute', ...Object.values(VERDICTS)], minutes.map(each => [hour(each.at), ...Object.keys(VERDICTS).map(name => count(each.joins[name]))])));
    draw(times, width => lines(labels, summary.quantiles.map(name => ({ kind: name, title: name, values: minutes.map(each => each.latency[name] ?? null) })), latency, width),
      table('Time to decide', ['Minute', ...summary.quantiles], minutes.map(each => [hour(each.at), ...summary.quantiles.map(name => latency(each.latency[name]))])));
    draw(refusals, () => summary.refusals.length
      ? bars(summary.refusals.map(([name, value]) => ({ title: name, about: meaning(name), value, href: to('log', '', { rule: name }) })), count)
      : h('p.hint', {}, 'Nobody was refused, and no password was wrong.'));
  }

  refresh();
  const timer = setInterval(refresh, OFTEN);
  addEventListener('resize', show);
  return () => { here = false; clearInterval(timer); removeEventListener('resize', show); };
}

function panel(title) {
  return h('section.panel.chart-panel', { 'aria-label': title }, h('h2', {}, title), h('div.drawn', {}, h('p.hint', {}, 'Asking …')));
}

/** Draws again, as wide as there is room; open tables stay open. */
function draw(place, chart, numbers = null) {
  const drawn = place.querySelector('.drawn');
  const open = drawn.querySelector('details')?.open ?? false;
  const focused = drawn.querySelector('summary') === document.activeElement;
  replace(drawn, chart(drawn.clientWidth), numbers && h('details', { open }, h('summary', {}, 'The numbers'), numbers));
  if (focused) drawn.querySelector('summary')?.focus();
}

function table(caption, heads, rows) {
  return h('div.scroll', { tabindex: '0', role: 'group', 'aria-label': caption }, h('table.plain-table', {}, h('caption.unseen', {}, caption),
    h('thead', {}, h('tr', {}, heads.map(each => h('th', { scope: 'col' }, each)))),
    h('tbody', {}, rows.reverse().map(([first, ...rest]) => h('tr', {}, h('th', { scope: 'row' }, first), rest.map(each => h('td', {}, each)))))));
}
