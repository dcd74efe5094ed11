// Names of rooms and people: written by strangers, so shown as what they are, and never as markup.

import { h } from './dom.js';

// Controls, and what turns or hides text, shown by its number.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;
const LATIN = /\p{Script=Latin}/u;
const ALIKE = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]/u;

/** The text with everything in it visible. */
export function visible(text) {
  return String(text ?? '').replace(HIDDEN, found => `⟨U+${found.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);
}

/** Letters of scripts that look alike stand side by side. */
export const isMixed = text => LATIN.test(text) && ALIKE.test(text);

/** A name, isolated from the text around it. Where there is little room its end is hidden by the
 * style sheet only: the whole of it is in the page. */
export function named(text, kind = 'name') {
  const shown = visible(text);
  return h(`bdi.${kind}`, { title: shown }, shown);
}

/** The mark of a name that may be taken for another; false for any other. */
export const mixed = text => isMixed(text ?? '') && h('span.chip.hold', { title: 'Letters of several alphabets that look alike' }, 'mixed letters');

/** A name, and a mark next to it if it may be taken for another. */
export const person = text => [named(text), mixed(text)].filter(Boolean);

/** The parts of an address: before the @, and after. */
export function parts(jid) {
  const [bare] = String(jid ?? '').split('/');
  const at = bare.indexOf('@');
  return at < 0 ? { local: bare, domain: '' } : { local: unescaped(bare.slice(0, at)), domain: bare.slice(at + 1) };
}

/** XEP-0106: what a localpart cannot hold. */
const unescaped = local => local.replace(/\\(20|22|26|27|2f|3a|3c|3e|40|5c)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));

/** The bare address. */
export const bare = jid => String(jid ?? '').split('/')[0];

/** A room's address, the part that matters first. */
export function room(jid) {
  const { local, domain } = parts(jid);
  return [named(local, 'room'), domain && h('bdi.domain', {}, visible(domain))];
}
