// Times, lengths and counts, as people read them.

const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const minute = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const short = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });

/** How far the server's clock is ahead of this one, in milliseconds. */
let ahead = 0;

/** Takes the server's time from the header `Date`, which has whole seconds. */
export function learn(date) {
  const server = Date.parse(date ?? '');
  if (Number.isFinite(server) && Math.abs(server - Date.now()) > 2000) ahead = server - Date.now();
}

/** Returns the server's time, in milliseconds. */
export const now = () => Date.now() + ahead;

/** Returns a time of the API in milliseconds: RFC 3339, or seconds since 1970. */
export function moment(value) {
  if (typeof value === 'number') return value < 1e11 ? value * 1000 : value;
  return Date.parse(value ?? '');
}

export const count = value => number.format(value ?? 0);

/** "1 room", "2 rooms". */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** Formats a duration: "12 s", "4 min", "3 h 20 min", "2 d 4 h". */
export function length(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (!Number.isFinite(seconds)) return '';
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${Math.floor(hours / 24)} d`;
}

/** Formats how long ago a time is. */
export const age = value => length(now() - moment(value));

export const time = value => (Number.isFinite(moment(value)) ? clock.format(moment(value)) : '');
export const hour = value => (Number.isFinite(moment(value)) ? minute.format(moment(value)) : '');
export const date = value => (Number.isFinite(moment(value)) ? day.format(moment(value)) : '');

/** Formats date and time in full, for a tooltip. */
export const exact = value => (Number.isFinite(moment(value)) ? new Date(moment(value)).toISOString() : '');

const HALF_A_YEAR = 15_000_000_000;

/** Formats a time; without the date if it is today. */
export function when(value) {
  const at = moment(value);
  if (!Number.isFinite(at)) return '';
  if (date(at) === date(now())) return time(at);
  return `${Math.abs(now() - at) < HALF_A_YEAR ? short.format(at) : date(at)}, ${time(at)}`;
}

/** Formats seconds as a short duration: "0.4 ms", "12 ms", "1.2 s". */
export function latency(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
  const thousandths = seconds * 1000;
  if (thousandths < 1) return `${Math.round(thousandths * 1000)} µs`;
  if (thousandths < 10) return `${thousandths.toFixed(1)} ms`;
  return thousandths < 1000 ? `${Math.round(thousandths)} ms` : `${(thousandths / 1000).toFixed(1)} s`;
}

/** Formats a name of the API as words: "may-not-enter", "log_lines_lost". */
export const words = name => String(name ?? '').replace(/[-_]/g, ' ');

export const capital = text => text.charAt(0).toUpperCase() + text.slice(1);
