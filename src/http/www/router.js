// The fragment of the address selects the view: `#/room/tea@conference.example.org?tab=log`.

/** `{ view, argument, query }` of the address as it is. */
export function current() {
  const [path, search = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const slash = path.indexOf('/');
  const view = slash < 0 ? path : path.slice(0, slash);
  const argument = slash < 0 ? '' : decode(path.slice(slash + 1));
  return { view: view || 'rooms', argument, query: Object.fromEntries(new URLSearchParams(search)) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Returns the address of a view. */
export function to(view, argument = '', query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const search = new URLSearchParams(given).toString();
  return `#/${view}${argument ? `/${encodeURIComponent(argument)}` : ''}${search ? `?${search}` : ''}`;
}

/** Shows another view. */
export function go(view, argument = '', query = {}) {
  location.hash = to(view, argument, query);
}

/** Changes the query, without a step in the history. */
export function remember(query) {
  const { view, argument } = current();
  history.replaceState(null, '', to(view, argument, query));
}
