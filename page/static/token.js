// The reader's token: taken out of the address at once, kept in memory and in this tab's sessionStorage.
// It imports nothing, so that it runs before the modules of the component have arrived.

const KEY = "data-retention.access_token";

let current = null;
current = takeFromAddress() ?? stored();

/** The token; null if nobody has given one. */
export function token() {
  return current;
}

/** Keeps a token for this tab; null forgets it. */
export function keep(value) {
  current = value;
  try {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Storage can be switched off: the token then lives as long as this document.
  }
}

/** Takes the token out of the address' fragment, also when somebody follows a link to the page that is open. */
export function takeFromAddress() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  if (!fragment.has("access_token")) return null;
  history.replaceState(history.state, "", location.pathname + location.search);
  const taken = fragment.get("access_token");
  keep(taken || null);
  return taken || null;
}

function stored() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}
