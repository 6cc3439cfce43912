// What is shown stands in the address, behind #: a reload or a link shows the same.

const listeners = new Set();

export function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { parts: path.split("/").filter(Boolean).map(decode), query: new URLSearchParams(query ?? "") };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const to = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;
export const go = (href) => {
  location.hash = href;
};

// setQuery changes parts of the query in place; an empty value leaves the part out.
export function setQuery(changes) {
  const { parts, query } = route();
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  history.replaceState(null, "", to(...parts) + (text ? `?${text}` : ""));
  for (const tell of listeners) tell();
}

export function onRoute(tell) {
  listeners.add(tell);
  addEventListener("hashchange", tell);
}
