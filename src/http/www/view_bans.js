// Who is banned, where, and until when.

import { h, heading, nothing, put, replace, text } from './dom.js';
import { command } from './api.js';
import { carryOut, send } from './actions.js';
import { exact, length, moment, now, plural, when } from './format.js';
import { operator, visible } from './names.js';
import { may, state } from './state.js';

export function bans(main) {
  const list = h('div', { 'aria-live': 'off' }, h('p.hint', {}, 'Asking …'));
  const more = h('span.total');
  const ban = may('ban') && h('button.primary', { type: 'button', 'data-command': 'ban', onclick: async () => { if (await carryOut(state.commands.get('ban'))) refresh(); } }, 'Ban…');
  put(main, h('div.title', {}, heading('Bans'), more, ban), list);
  let here = true;

  async function refresh() {
    try {
      const found = await command('bans');
      if (here) { show(found.bans); text(more, found.file ? `${plural(found.file, 'more ban')} in the policy file` : ''); }
    } catch (error) {
      if (here) replace(list, nothing('The bans are not known', error.message));
    }
  }

  function show(all) {
    if (!all.length) return replace(list, nothing('Nobody is banned here', 'Bans of the policy file are not in this list: nobody lifts them but the file.'));
    return replace(list, h('div.scroll', { tabindex: '0', role: 'group', 'aria-label': 'Bans' }, h('table.plain-table.bans', {},
      h('thead', {}, h('tr', {}, ['Who', 'Where', 'Until', 'Reason', 'By', ''].map(each => h('th', { scope: 'col' }, each || h('span.unseen', {}, 'What can be done'))))),
      h('tbody', {}, all.map(line)))));
  }

  function line(each) {
    const lift = async event => { if (await send(state.commands.get('unban'), { who: each.who, ...(each.room ? { room: each.room } : {}) }, event.currentTarget)) refresh(); };
    return h('tr', {},
      h('th', { scope: 'row' }, h('bdi', {}, visible(each.who))),
      h('td', {}, each.room ? h('bdi', {}, visible(each.room)) : 'everywhere'),
      h('td', {}, each.until ? [h('time', { datetime: exact(each.until) }, when(each.until)), h('span.hint', {}, ` (${length(moment(each.until) - now())})`)] : 'for good'),
      h('td', {}, visible(each.reason ?? '')),
      h('td', {}, h('bdi', {}, operator(each.by?.name ?? each.by ?? ''))),
      h('td', {}, may('unban') && h('button.small', { type: 'button', 'data-command': 'unban', 'aria-label': `Unban ${visible(each.who)}`, onclick: lift }, 'Unban')));
  }

  refresh();
  return () => { here = false; };
}
