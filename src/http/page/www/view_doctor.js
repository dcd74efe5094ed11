// What the doctor found on this server.

import { h, heading, nothing, put, replace } from './dom.js';
import { command } from './api.js';
import { capital, plural, when } from './format.js';
import { chip } from './badges.js';
import { visible } from './names.js';
import { changed, state } from './state.js';

const KINDS = { critical: 'deny', error: 'deny', high: 'deny', danger: 'deny', warning: 'hold', warn: 'hold', medium: 'hold', low: 'prompt', notice: 'prompt', info: 'prompt', ok: 'allow' };

export function doctor(main) {
  const at = h('span.total');
  const again = h('button', { type: 'button', onclick: () => refresh(true) }, 'Look again');
  const list = h('div', {}, h('p.hint', {}, 'Asking …'));
  put(main, h('div.title', {}, heading('Doctor'), at, again), h('p.lead', {}, 'What on this server would let somebody past the policy, or keep it from working.'), list);
  let here = true;

  async function refresh(fresh) {
    again.disabled = true;
    try {
      const found = await command('doctor', fresh ? { fresh: true } : {});
      state.doctor = found;
      changed('doctor');
      if (here) show(found);
    } catch (error) {
      if (here) replace(list, nothing('The doctor does not answer', error.message));
    } finally {
      again.disabled = false;
    }
  }

  function show(found) {
    const findings = found.findings ?? found;
    replace(at, [findings.length ? plural(findings.length, 'finding') : null, found.at && `looked ${when(found.at)}`].filter(Boolean).join(' · '));
    replace(list, findings.length
      ? h('ul.plain.findings', {}, findings.map(finding))
      : nothing('Nothing found', 'Everything that the doctor knows to look at is as it should be.'));
  }

  refresh(false);
  return () => { here = false; };
}

/** What each finding says, whatever the names of its parts are in the reply. */
function finding(each) {
  const level = each.severity ?? each.level ?? 'warning';
  const title = each.title ?? each.what ?? each.finding ?? each.name ?? 'Finding';
  const why = each.why ?? (each.title ? each.what : null);
  const fix = each.fix ?? each.change ?? each.how;
  return h('li.panel.finding', {},
    h('div.finding-title', {}, chip(capital(String(level)), KINDS[level] ?? 'hold'), h('h2', {}, visible(title)), each.service && h('bdi.domain', {}, visible(each.service))),
    why && h('p', {}, visible(why)),
    fix && h('div.fix', {}, h('span', {}, 'Change'), h('pre', {}, visibleLines(fix))),
    each.where && h('p.hint', {}, visible(each.where)));
}

const visibleLines = fix => (Array.isArray(fix) ? fix : String(fix).split('\n')).map(visible).join('\n');
