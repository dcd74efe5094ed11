// Rules and reasons in words, from docs/rules.md, which the component serves as it is: the words
// stand in one place.

const rules = new Map();
const reasons = new Map();

/** Reads the page's own copy of the reference. */
export async function load() {
  const response = await fetch('/rules.md');
  if (response.ok) parse(await response.text());
}

function parse(markdown) {
  let into = null;
  for (const line of markdown.split('\n')) {
    if (line.startsWith('## ')) into = { '## Rules': rules, '## Reasons': reasons }[line.trim()] ?? null;
    const cells = line.split('|').map(cell => cell.trim());
    if (!into || cells.length < 5 || !cells[1].startsWith('`')) continue;
    into.set(plain(cells[1]), plain(cells[3]));
  }
}

const plain = cell => cell.replace(/`/g, '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');

/** Returns what a rule means. */
export const rule = name => rules.get(name) ?? '';

/** Returns the text for people who are refused for this reason. Numbers in it are examples. */
export const reason = code => reasons.get(code) ?? '';

/** Returns what a rule means where it allows, if its usual meaning is about the other case. */
const ALLOWED = new Map([
  ['lobby.admission', 'Had what the room asks of newcomers.'],
  ['moderators.assign', 'A moderator by the policy.'],
  ['close.by', 'May close the room.'],
]);

/** Returns why a decision was made, as a sentence about the person. What they were told is quoted. */
export function why(entry) {
  if (entry.verdict === 'allow') return ALLOWED.get(entry.rule) ?? rule(entry.rule);
  const told = reason(entry.denial);
  return told && !/\d/.test(told) ? `Was told: “${told}”` : rule(entry.rule) || told;
}

/** Returns the names of all rules, for a form. */
export const ruleNames = () => [...rules.keys()];

/** Returns where a rule is documented. */
export const place = line => (line > 0 ? `line ${line}` : 'built-in default');
