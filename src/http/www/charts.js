// Charts in SVG. Each is a picture of the numbers in the table next to it. It is as wide as its place, in pixels, so that
// its text has the size of other text.

import { h, svg } from './dom.js';

const HEIGHT = 200;
const LEFT = 52;
const BOTTOM = 22;
const TOP = 8;
/** Least distance of two times on the axis, in pixels. */
const APART = 84;

/** Returns a round number at or above `value`. */
function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map(step => step * power).find(step => step >= value * 0.999);
}

const y = (value, most) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - BOTTOM - TOP);

function frame(labels, most, say, width, title, ...drawn) {
  const steps = most < 1 || Number.isInteger(most / 2) ? [0, 0.5, 1] : [0, 1];
  const grid = steps.map(part => [
    svg('line.rule-line', { x1: LEFT, x2: width, y1: y(part * most, most), y2: y(part * most, most) }),
    svg('text.axis', { x: LEFT - 8, y: y(part * most, most) + 4, 'text-anchor': 'end' }, say(part * most)),
  ]);
  const every = Math.max(1, Math.ceil((labels.length * APART) / Math.max(1, width - LEFT)));
  const times = labels.map((label, index) => ((labels.length - 1 - index) % every === 0
    ? svg('text.axis', { x: x(index, labels.length, width), y: HEIGHT - 4, 'text-anchor': index === labels.length - 1 ? 'end' : 'middle' }, label) : null));
  return svg('svg.chart', { viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': title }, grid, times, drawn);
}

const x = (index, all, width) => LEFT + ((index + 0.5) * (width - LEFT)) / Math.max(1, all);

const legend = (series, extra = () => null) => h('ul.plain.legend', {}, series.map(each => h(`li.${each.kind}`, {}, h('span.dot'), each.title, extra(each))));

const total = values => values.reduce((sum, value) => sum + (value ?? 0), 0);

/** A chart of stacked columns, one for each label. */
export function stacked(labels, series, say, width) {
  const sums = labels.map((_, index) => total(series.map(each => each.values[index])));
  const most = ceiling(Math.max(...sums, 1));
  const wide = Math.max(2, ((width - LEFT) / Math.max(1, labels.length)) * 0.72);
  const columns = labels.map((label, index) => {
    let below = 0;
    const parts = series.map(each => {
      const value = each.values[index];
      if (!value) return null;
      const from = y(below, most);
      below += value;
      const top = y(below, most);
      return svg(`rect.part.${each.kind}`, { x: x(index, labels.length, width) - wide / 2, y: top, width: wide, height: Math.max(1, from - top) });
    });
    return svg('g', {}, parts, svg('title', {}, `${label}: ${series.map(each => `${say(each.values[index])} ${each.title.toLowerCase()}`).join(', ')}`));
  });
  const summary = `${say(total(sums))} in all: ${series.map(each => `${say(total(each.values))} ${each.title.toLowerCase()}`).join(', ')}`;
  return h('figure', {}, legend(series, each => h('span.number', {}, say(total(each.values)))), frame(labels, most, say, width, summary, columns));
}

/** A chart of lines over the labels; null is a gap. */
export function lines(labels, series, say, width) {
  const most = ceiling(Math.max(...series.flatMap(each => each.values.map(value => value ?? 0)), 0));
  const drawn = series.map(each => {
    let path = '';
    let pen = 'M';
    each.values.forEach((value, index) => {
      if (value === null) { pen = 'M'; return; }
      path += `${pen}${x(index, labels.length, width).toFixed(1)} ${y(value, most).toFixed(1)}${pen === 'M' ? 'h0' : ''}`;
      pen = 'L';
    });
    return path ? svg(`path.line.${each.kind}`, { d: path }) : null;
  });
  const newest = each => each.values.findLast(value => value !== null);
  const summary = series.map(each => `${each.title}: ${say(newest(each))} just now`).join(', ');
  return h('figure', {}, legend(series, each => h('span.number', {}, say(newest(each)))), frame(labels, most, say, width, summary, drawn));
}

/** A chart of named values, greatest first, each with its number. */
export function bars(items, say) {
  const most = Math.max(...items.map(each => each.value), 1);
  return h('ul.plain.bars', {}, items.map(each => {
    const fill = h('span.bar-fill', { 'aria-hidden': 'true' });
    fill.style.inlineSize = `${Math.max(0.5, (each.value / most) * 100)}%`;
    return h('li', { title: each.about }, h('a', { href: each.href }, each.title), h('span.bar', {}, fill), h('span.number', {}, say(each.value)));
  }));
}
