// The summary for charts, as the API gives it, in the shape that the charts take.

const QUANTILES = ['p50', 'p99'];

const seconds = micros => (Number.isFinite(micros) ? micros / 1_000_000 : null);

/** `{ minutes: [{ at, joins: {allow, ...}, latency: {p50, ...} }], refusals: [[rule, count]], quantiles: ['p50', ...] }`. */
export function read(summary) {
  const minutes = (summary.minutes ?? []).map(each => ({
    at: each.at,
    joins: each.joins ?? {},
    latency: Object.fromEntries(QUANTILES.map(name => [name, seconds(each.latency?.[name])])),
  }));
  const totals = new Map();
  const add = (name, value) => totals.set(name, (totals.get(name) ?? 0) + value);
  for (const each of summary.minutes ?? []) for (const [name, value] of Object.entries(each.refusals ?? {})) add(name, value);
  return { minutes, refusals: [...totals].filter(([, value]) => value > 0).sort((one, other) => other[1] - one[1]).slice(0, 15), quantiles: QUANTILES };
}
