// The summary for charts, as the API gives it, in the shape that the charts take.

/** `{ minutes: [{ at, joins: {allow, ...}, latency: {p50, ...} }], refusals: [[rule, count]], quantiles: ['p50', ...] }`. */
export function read(summary) {
  const minutes = (summary.minutes ?? []).map(each => ({
    at: each.at, joins: each.joins ?? {}, latency: each.latency ?? {},
  }));
  const totals = new Map();
  const add = (name, value) => totals.set(name, (totals.get(name) ?? 0) + value);
  for (const [name, value] of Object.entries(summary.refusals ?? {})) add(name, value);
  for (const each of summary.minutes ?? []) for (const [name, value] of Object.entries(each.refusals ?? {})) add(name, value);
  const quantiles = [...new Set(minutes.flatMap(each => Object.keys(each.latency)))].sort();
  return { minutes, refusals: [...totals].filter(([, value]) => value > 0).sort((one, other) => other[1] - one[1]).slice(0, 15), quantiles };
}
