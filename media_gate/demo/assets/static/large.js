/** One very large photograph: what lies on the disk, and what the gate sends to a page. */
import { ask, receipt, size } from './measure.js';
import { el } from './shell.js';

const BYTES_PER_PIXEL = 4; // of a decoded picture in a browser

/** @param {string} name @param {{width: number, height: number, bytes: number}} picture @param {number} most pixels */
function row(name, picture, most) {
  const pixels = picture.width * picture.height;
  const bar = el('span', { class: 'bar' });
  bar.style.setProperty('--share', String(pixels / most));
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, name),
    el('td', {}, `${picture.width} × ${picture.height}`),
    el('td', {}, size(picture.bytes)),
    el('td', {}, size(pixels * BYTES_PER_PIXEL), bar),
  );
}

/** Bytes of an answer that the browser has stored. @param {string} src */
async function stored(src) {
  const response = await fetch(src, { cache: 'force-cache' });
  return (await response.blob()).size;
}

/** @param {HTMLImageElement} img @param {string} src */
async function fetched(img, src) {
  img.src = src;
  const got = await receipt(img);
  return { ...got, bytes: got.bytes || (got.shown ? await stored(src) : 0) };
}

/**
 * A panel like the cards: a node, and a way to ask for its picture once more.
 * @param {{path: string, view: string, title: string, alt: string, width: number, height: number,
 *   bytes: number}} large
 */
export function comparison(large) {
  const most = large.width * large.height;
  const img = el('img', { alt: large.alt, width: 960, height: 640 });
  const frame = el('a', { class: 'frame', href: large.view }, img, el('span', { class: 'lock' }));
  const rows = el('tbody', {}, row('The original, as a naive page would send it', large, most));
  const head = ['', 'Pixels', 'File', 'In the tab’s memory'];
  const node = el(
    'section',
    { class: 'panel large' },
    el('div', {},
      el('h2', {}, `${large.title}: ${Math.round(most / 1e6)} megapixels`),
      el('p', {}, 'A tab decodes every pixel it is sent, and a few such originals kill it. The gate never sends a page more than it can bear.'),
      el('table', { class: 'plain' },
        el('thead', {}, el('tr', {}, ...head.map((text) => el('th', { scope: 'col' }, text)))),
        rows)),
    frame,
  );
  async function load(round) {
    const fitting = `${large.path}?w=960`;
    if (round) await ask(fitting);
    const got = await fetched(img, round ? `${fitting}#${round}` : fitting);
    frame.classList.toggle('locked', !got.shown);
    if (round || !got.shown) return got;
    const whole = await fetched(new Image(), large.path);
    rows.append(row('Asked for without a size', whole, most), row('Asked for in the width shown here', got, most));
    return got;
  }
  return { node, load };
}
