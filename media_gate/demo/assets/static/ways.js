/**
 * The same picture through every way in, each beside what the browser holds for it, what it asked
 * and what it received; and what an outsider gets who only has the address.
 *
 * JSON it needs:
 *   GET  /demo/api/ways -> {
 *     "ways": [{"id": "cookie|page|signed|link|bearer|open", "url", "alt"}],  a visitor: open only
 *     "large": {"path", "view", "title", "alt", "width", "height", "bytes"} or null; of the original
 *   }
 *   POST /demo/api/revoke {} -> Me   revokes at the gate, as an administrator would; the browser
 *                                    keeps its cookie, which now opens nothing
 *   GET  /demo/api/outsider?url=<address> -> {"status", "code", "detail", "bytes"}
 *     asked by the server itself, without any credential, as curl would
 */
import { WAYS, fetchPicture } from './entrances.js';
import { comparison } from './large.js';
import { size, summary } from './measure.js';
import { api, el, showWho } from './shell.js';

const LONG_VALUES = /((?:sig|sid|kid)=)([\w-]{5})[\w-]+/g;

/** An address that fits into a card: one line per part, long values cut. @param {string} address */
function shortened(address) {
  const { pathname, search } = new URL(address, location.href);
  const query = search.replace(LONG_VALUES, '$1$2…').replace(/&(?=exp|sid|sig)/g, '\n&');
  return [pathname, query].filter(Boolean).join('\n');
}

/** What somebody gets who has only the address. @param {string} url @param {HTMLElement} told */
async function copyElsewhere(url, told) {
  const address = new URL(url, location.href).href;
  told.replaceChildren('Asking without any credential …');
  const copied = navigator.clipboard?.writeText(address).then(() => true, () => false);
  const [got, onClipboard] = await Promise.all([api(`outsider?url=${encodeURIComponent(address)}`), copied]);
  const opened = got.status === 200;
  const answer = el(
    'div',
    {},
    el('span', { class: `pill ${opened ? 'open' : 'good'}` }, opened ? 'An outsider gets the picture' : 'An outsider gets nothing'),
    el('code', {}, opened ? `200, ${size(got.bytes)}` : `${got.status} ${got.code}`),
    opened ? null : el('span', {}, got.detail),
    onClipboard ? el('small', {}, 'The address is on your clipboard: try it in a private window.') : null,
  );
  told.replaceChildren(answer);
}

/** @param {{id: string, url: string, alt: string}} way */
function card({ id, url, alt }) {
  const way = WAYS[id];
  const img = el('img', { alt, width: 640, height: 426 });
  const frame = el('div', { class: 'frame' }, img, el('span', { class: 'lock' }));
  const status = el('span', { class: 'pill' }, '…');
  const request = el('pre');
  const received = el('dd', {}, '…');
  const told = el('div', { class: 'told', role: 'status' });
  const failed = () => told.replaceChildren('The demo’s server did not answer.');
  const copy = () => copyElsewhere(url, told).catch(failed);
  const node = el(
    'section',
    { class: 'card', 'aria-label': way.title },
    frame,
    el('div', { class: 'title' }, el('h2', {}, way.title), status),
    el('p', {}, way.lead),
    el('dl', {},
      el('dt', {}, 'The browser holds'), el('dd', {}, way.holds()),
      el('dt', {}, 'It asks by GET'), el('dd', {}, request),
      el('dt', {}, 'It receives'), received),
    el('button', { type: 'button', click: copy }, 'Copy this address elsewhere'),
    told,
  );
  async function load(round) {
    const got = await fetchPicture(id, img, url, round);
    frame.classList.toggle('locked', !got.shown);
    status.textContent = got.shown ? String(got.status) : summary(got);
    status.className = `pill ${got.shown ? 'good' : 'bad'}`;
    request.textContent = [shortened(got.asked), ...way.sends].join('\n');
    received.textContent = got.shown ? summary(got) : 'No picture.';
    return got;
  }
  return { node, load };
}

/** @param {string} text */
function tell(text) {
  document.getElementById('told').textContent = text;
}

const me = await showWho();
const { ways, large } = await api('ways');
const pictures = ways.map(card);
document.getElementById('ways').replaceChildren(...pictures.map(({ node }) => node));
if (large) {
  const panel = comparison(large);
  document.getElementById('large').replaceChildren(panel.node);
  pictures.push(panel);
}
if (!me.session?.alive) tell('Sign in above to see the other ways.');

let round = 0;
/**
 * Asks the gate for everything and counts what comes. Nobody waits for all: the helper asks only
 * for what is near the screen.
 * @param {string} before what to say first
 */
function load(before) {
  let asked = 0;
  let shown = 0;
  for (const picture of pictures) {
    picture.load(round).then((got) => {
      asked += 1;
      shown += Number(got.shown);
      if (before) tell(`${before} ${shown} of ${asked} pictures came.`);
    });
  }
  round += 1;
}

const revoke = document.getElementById('revoke');
revoke.disabled = !me.session?.alive;
revoke.addEventListener('click', async () => {
  revoke.disabled = true;
  const began = performance.now();
  await api('revoke', {});
  const took = Math.round(performance.now() - began);
  load(`Revoked in ${took} ms, asked for again:`);
  await showWho();
});
document.getElementById('reload').addEventListener('click', () => load('Asked for again:'));
load('');
