/**
 * The front page: every picture of the school as a plain <img>, also those that this person may
 * not see, so that the gate's refusal can be looked at.
 *
 * JSON it needs: GET /demo/api/gallery -> {
 *   "banner": Picture or null,                       from an open mount
 *   "sections": [{"title", "about", "pictures": [Picture]}]
 * }
 * Picture = {
 *   "path": "/media/photos/class-3a/dandelions.jpg",         the picture, without parameters
 *   "view": "/media/-/view/photos/class-3a/dandelions.jpg",  its page in the viewer
 *   "title", "alt", "note", "author", "licence"              texts; note may be empty
 * }
 */
import { api, el, showWho } from './shell.js';
import { receipt, summary } from './measure.js';

const TILE = '(max-width: 40rem) 92vw, (max-width: 64rem) 46vw, 350px';
const BANNER = '(max-width: 74rem) 96vw, 1120px';
const WIDTHS = [320, 640, 960, 1280, 1920]; // steps of the gate's images.widths

const REFUSED = { 401: 'Sign in to see this', 403: 'Not for you', 404: 'Not for you' };

/** @param {any} picture @param {string} sizes how wide it is shown, as in HTML */
function image(picture, sizes) {
  return el('img', {
    loading: 'lazy', // first: later attributes start the request
    sizes,
    srcset: WIDTHS.map((width) => `${picture.path}?w=${width} ${width}w`).join(', '),
    src: `${picture.path}?w=320`,
    alt: picture.alt,
  });
}

/** @param {any} picture */
function tile(picture) {
  const img = image(picture, TILE);
  const answer = el('span', { class: 'answer' });
  const frame = el('a', { class: 'frame', href: picture.view }, img);
  const figure = el(
    'figure',
    { class: 'tile' },
    frame,
    el('figcaption', {}, el('b', {}, picture.title), answer, picture.note ? el('small', {}, picture.note) : null),
  );
  receipt(img).then((got) => {
    answer.textContent = summary(got);
    if (got.shown) return;
    answer.classList.add('bad');
    figure.classList.add('locked');
    img.remove();
    const words = REFUSED[got.status] ?? 'Try again in a moment';
    frame.append(el('span', { class: 'lock' }), el('span', {}, words));
  });
  return figure;
}

/** @param {any} section */
function group(section) {
  return el(
    'section',
    {},
    el('div', { class: 'heading' }, el('h2', {}, section.title), el('p', {}, section.about)),
    el('div', { class: 'grid' }, ...section.pictures.map(tile)),
  );
}

await showWho();
const { banner, sections } = await api('gallery');
if (banner) document.getElementById('intro').prepend(image(banner, BANNER));
document.getElementById('gallery').replaceChildren(...sections.map(group));
