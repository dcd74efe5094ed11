// Names of rooms and people: written by strangers, so shown as what they are, and never as markup.

import { h } from './dom.js';

// Control characters, and those that reorder or hide text, are shown by their code points.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;
const LATIN = /\p{Script=Latin}/u;
const ALIKE = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]/u;

/** Returns the text with every character visible. */
export function visible(text) {
  return String(text ?? '').replace(HIDDEN, found => `⟨U+${found.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);
}

/** Returns whether a text mixes scripts with letters that look alike. */
export const isMixed = text => LATIN.test(text) && ALIKE.test(text);

/** A name, isolated from the text around it. Where there is little room its end is hidden by the
 * style sheet only: the whole of it is in the page. */
export function named(text, kind = 'name') {
  const shown = visible(text);
  return h(`bdi.${kind}`, { title: shown }, shown);
}

/** Returns a badge for a name that may be confused with another; false for any other name. */
export const mixed = text => isMixed(text ?? '') && h('span.chip.hold', { title: 'Letters of several alphabets that look alike' }, 'mixed letters');

/** Returns the name of an operator. The socket of the command line knows accounts by number; 0 is root's. */
export const operator = name => visible(name).replace(/\buid 0\b/, 'root');

/** Returns the names by which others know a person: the display name, then the nick unless it is the same. */
export const called = who => [...new Set([who.name, who.nick].filter(name => name && name !== '?'))];

/** A badge for a name that may be taken for that of a person inside; false for any other name. */
export const alike = whose => whose && h('span.chip.hold', { title: `The name looks like that of ${whose === 'moderator' ? 'a moderator' : 'a person'} inside` }, whose === 'moderator' ? 'like a moderator' : 'look-alike');

/** Badges for a room whose name may be taken for that of another room. */
export const lookAlike = room => [
  room.looks_like && h('span.chip.deny', { title: `The name looks like that of ${visible(room.looks_like)}` }, 'look-alike'),
  mixed(parts(room.room).local),
].filter(Boolean);

/** A name, with a badge if it may be confused with another. */
export const person = text => [named(text), mixed(text)].filter(Boolean);

/** Returns the parts of an address, before and after the @. */
export function parts(jid) {
  const [bare] = String(jid ?? '').split('/');
  const at = bare.indexOf('@');
  return at < 0 ? { local: bare, domain: '' } : { local: unescaped(bare.slice(0, at)), domain: bare.slice(at + 1) };
}

/** Decodes characters that a localpart cannot hold (XEP-0106). */
const unescaped = local => local.replace(/\\(20|22|26|27|2f|3a|3c|3e|40|5c)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));

/** Returns the bare address. */
export const bare = jid => String(jid ?? '').split('/')[0];

/** A room's address, with the significant part first. */
export function room(jid) {
  const { local, domain } = parts(jid);
  return [named(local, 'room'), domain && h('bdi.domain', {}, visible(domain))];
}
