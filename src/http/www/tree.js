// Shows any value of the API in readable form.

import { h } from './dom.js';
import { capital, words } from './format.js';
import { visible } from './names.js';

const isEmpty = value => value === null || value === undefined || value === '' || (typeof value === 'object' && !Object.keys(value).length);

/** An object as names and values, a list as a list or a table, anything else as text. */
export function tree(value) {
  if (Array.isArray(value)) return value.length && value.every(isFlat) ? table(value) : h('ul.tree-list', {}, value.map(each => h('li', {}, tree(each))));
  if (value && typeof value === 'object') {
    const shown = Object.entries(value).filter(([, each]) => !isEmpty(each));
    return h('dl.tree', {}, shown.map(([name, each]) => [h('dt', {}, capital(words(name))), h('dd', {}, tree(each))]));
  }
  if (typeof value === 'boolean') return h('span', {}, value ? 'yes' : 'no');
  return h('bdi', {}, visible(value ?? '–'));
}

const isFlat = value => value && typeof value === 'object' && !Array.isArray(value) && Object.values(value).every(each => each === null || typeof each !== 'object');

function table(rows) {
  const names = [...new Set(rows.flatMap(Object.keys))];
  return h('div.scroll', { tabindex: '0', role: 'group', 'aria-label': 'Table' }, h('table.plain-table', {},
    h('thead', {}, h('tr', {}, names.map(name => h('th', { scope: 'col' }, capital(words(name)))))),
    h('tbody', {}, rows.map(row => h('tr', {}, names.map(name => h('td', {}, isEmpty(row[name]) ? '–' : tree(row[name]))))))));
}
