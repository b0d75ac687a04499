/**
 * What every page of the demo shares: the bar that says who you are, and the way to the server.
 *
 * JSON it needs, never stored by a cache:
 *   GET  /demo/api/me                       -> Me
 *   POST /demo/api/login  {"user": "<id>"}  -> Me   opens a session, sets the media cookie
 *   POST /demo/api/logout {}                -> Me   ends the session, clears the cookie
 *   Me = {
 *     "user": {"id", "name", "role", "initials"} or null,
 *     "users": [the same, of everybody who can sign in],
 *     "session": {"alive": bool, "grants": ["photos/class-3a/", …]} or null
 *   }
 * A session revoked elsewhere leaves `user` as it is and says `alive: false`.
 * Errors are problem+json with `code` and `detail`.
 */

/**
 * An element with attributes and children; text never becomes markup.
 * @param {string} tag @param {Record<string, any>} [attributes] a function listens to the event
 * @param {...(Node | string | null)} children
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** JSON of the demo's own server; a body makes it a POST. @param {string} path @param {object} [body] */
export async function api(path, body) {
  const init = body && {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  };
  const response = await fetch(`/demo/api/${path}`, init);
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.detail), { status: response.status });
  return answer;
}

// A browser may show a picture again from the memory of the page, so a change of the person loads
// the page anew: every picture is asked for, with the new session.
async function become(path, body) {
  await api(path, body);
  location.reload();
}

/** @param {any} person @param {any} me */
function personButton(person, me) {
  const here = me.user?.id === person.id && me.session?.alive;
  return el(
    'button',
    { type: 'button', class: 'person', 'aria-pressed': String(here), click: () => become('login', { user: person.id }) },
    el('span', { class: 'initials', 'aria-hidden': 'true' }, person.initials),
    el('span', {}, el('b', {}, person.name), el('small', {}, person.role)),
  );
}

/** @param {any} me */
function standing(me) {
  if (!me.user) return [el('span', {}, 'You are a visitor. Sign in with one click.')];
  if (!me.session?.alive) {
    return [el('span', { class: 'pill bad' }, 'Session revoked'), el('span', {}, 'Click a name to sign in again.')];
  }
  return [el('span', {}, 'may see'), ...me.session.grants.map((grant) => el('code', {}, grant))];
}

/** Draws the bar; returns what the server knows about this browser. */
export async function showWho() {
  const me = await api('me');
  const people = el('div', { class: 'people' }, ...me.users.map((person) => personButton(person, me)));
  const leave = me.user && el('button', { type: 'button', click: () => become('logout', {}) }, 'Sign out');
  const words = el('p', { class: 'standing' }, ...standing(me));
  document.getElementById('who').replaceChildren(people, words, ...(leave ? [leave] : []));
  return me;
}

for (const link of document.querySelectorAll('nav a')) {
  if (link.pathname === location.pathname) link.setAttribute('aria-current', 'page');
}
