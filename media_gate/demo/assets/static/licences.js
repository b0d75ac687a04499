/** Who took which photograph; the same JSON as the gallery's. */
import { api, el, showWho } from './shell.js';

const LICENCES = {
  'CC0 1.0': 'https://creativecommons.org/publicdomain/zero/1.0/',
  'CC BY 4.0': 'https://creativecommons.org/licenses/by/4.0/',
  'CC BY-SA 4.0': 'https://creativecommons.org/licenses/by-sa/4.0/',
};

/** @param {any} picture */
function row(picture) {
  const { licence } = picture;
  const named = LICENCES[licence] ? el('a', { href: LICENCES[licence] }, licence) : licence;
  return el('tr', {}, el('td', {}, picture.title), el('td', {}, picture.author), el('td', {}, named));
}

showWho();
const { banner, sections } = await api('gallery');
const pictures = [...(banner ? [banner] : []), ...sections.flatMap((section) => section.pictures)];
document.getElementById('licences').replaceChildren(...pictures.map(row));
