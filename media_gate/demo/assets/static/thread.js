/**
 * Beside the stored page: its source, and what the gate answered for each old address. The page
 * itself needs none of this.
 */
import { el, showWho } from './shell.js';
import { receipt, summary } from './measure.js';

/** @param {HTMLImageElement} img */
async function row(img) {
  const got = await receipt(img);
  if (!got.shown) img.classList.add('refused');
  return el(
    'tr',
    {},
    el('td', {}, el('code', {}, img.getAttribute('src'))),
    el('td', { class: got.shown ? '' : 'bad' }, summary(got)),
  );
}

const images = [...document.querySelectorAll('#stored img')];
document.getElementById('source').textContent = images.map((img) => img.outerHTML).join('\n');
showWho();
document.getElementById('answers').replaceChildren(...(await Promise.all(images.map(row))));
