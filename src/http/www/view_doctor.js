// What the doctor found on this server.

import { h, heading, nothing, put, replace } from './dom.js';
import { command } from './api.js';
import { capital, plural, when } from './format.js';
import { chip } from './badges.js';
import { visible } from './names.js';

const KINDS = { critical: 'deny', warning: 'hold', note: 'prompt' };

/** Returns the checks with findings that the file does not ignore. */
const found = report => (report?.checks ?? []).filter(check => check.state === 'found' && !check.ignored);

export function doctor(main) {
  const at = h('span.total');
  const again = h('button', { type: 'button', onclick: () => refresh(true) }, 'Look again');
  const list = h('div', {}, h('p.hint', {}, 'Asking …'));
  put(main, h('div.title', {}, heading('Doctor'), at, again), h('p.lead', {}, 'What on this server would let people past the policy, or keep it from working.'), list);
  let here = true;

  async function refresh(fresh) {
    again.disabled = true;
    try {
      const report = await command('doctor', fresh ? { fresh: true } : {});
      if (here) show(report);
    } catch (error) {
      if (here) replace(list, nothing('The doctor does not answer', error.message));
    } finally {
      again.disabled = false;
    }
  }

  function show(report) {
    const bad = found(report);
    const rest = (report.checks ?? []).filter(check => !bad.includes(check));
    const unknown = rest.filter(check => check.state === 'unknown');
    const fine = rest.filter(check => check.state === 'fine');
    const ignored = rest.filter(check => check.ignored && check.state === 'found');
    replace(at, [bad.length ? plural(bad.length, 'finding') : 'nothing found', `${fine.length} fine`, report.at && `looked at ${when(report.at)}`].filter(Boolean).join(' · '));
    replace(list,
      report.complete === false && h('p.warn.partial', {}, `Not everything could be looked at: ${visible(report.incomplete ?? 'the server cannot be asked')}`),
      bad.length ? h('ul.plain.findings', {}, bad.map(one)) : nothing('Nothing found', 'Everything that could be looked at is as it should be.'),
      more('Could not be looked at', unknown, check => check.unknown.map(visible).join(' ')),
      more('Ignored by the file', ignored, check => check.findings.map(each => `${visible(each.about)}: ${visible(each.found)}`).join(' ')),
      more('As it should be', fine, () => null));
  }

  refresh(false);
  return () => { here = false; };
}

function one(check) {
  return h(`li.panel.finding.${check.severity}`, {},
    h('div.finding-title', {}, chip(capital(check.severity), KINDS[check.severity] ?? 'hold'), h('h2', {}, visible(check.looks_at)), h('code.domain', {}, check.id)),
    h('p', {}, capital(visible(check.why))),
    check.findings.map(each => h('div.fix', {}, h('p', {}, h('strong', {}, visible(each.about)), ': ', visible(each.found)), each.line && [h('span', {}, `In ${visible(each.file)}`), h('pre', {}, visible(each.line))])));
}

function more(title, checks, say) {
  return checks.length ? h('details.panel', {}, h('summary', {}, `${title} (${checks.length})`),
    h('ul.plain', {}, checks.map(check => h('li', {}, visible(check.looks_at), ' ', h('span.hint', {}, say(check)))))) : null;
}
