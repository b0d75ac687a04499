/** What a picture cost and how it was answered, as the browser itself measured it. */

/**
 * @typedef {object} Receipt
 * @property {boolean} shown whether there is a picture
 * @property {number} status of the gate's answer
 * @property {string} code of the problem, if it refused
 * @property {number} bytes of the body; 0 if the browser's copy was still right
 * @property {number} width of the picture in pixels @property {number} height
 */

/**
 * The newest measurement of an address, its fragment ignored. It may come a moment after the
 * picture, and not at all where the browser had no need to ask.
 * @param {string} address
 */
async function measured(address) {
  const wanted = new URL(address, document.baseURI).href.split('#')[0];
  for (let tries = 0; tries < 10; tries += 1) {
    const entries = performance.getEntriesByType('resource');
    const entry = entries.findLast(({ name }) => name.split('#')[0] === wanted);
    if (entry) return entry;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  return undefined;
}

/**
 * The size of a picture the page already has. A fresh image tells it: one with srcset tells the
 * size it is laid out for, and one that has just changed may still tell the size of the last.
 * @param {string} address
 */
export async function pixels(address) {
  const copy = new Image();
  copy.src = address;
  await copy.decode();
  return { width: copy.naturalWidth, height: copy.naturalHeight };
}

/**
 * Asks the gate and reads only its answer; `no-cache` asks even for what the browser remembers.
 * @param {string} address
 * @returns {Promise<{status: number, code: string}>} status 0 where nobody answered
 */
export async function ask(address) {
  const response = await fetch(address, { cache: 'no-cache' }).catch(() => null);
  if (!response) return { status: 0, code: 'unreachable' };
  const problem = !response.ok && /json/.test(response.headers.get('Content-Type') ?? '');
  const code = problem ? (await response.json()).code : '';
  return { status: response.status, code };
}

/** Resolves when an image is there or is refused. @param {HTMLImageElement} img @returns {Promise<Receipt>} */
export async function receipt(img) {
  const shown = await new Promise((resolve) => {
    if (img.complete && img.currentSrc) return resolve(img.naturalWidth > 0);
    img.addEventListener('load', () => resolve(true), { once: true });
    img.addEventListener('error', () => resolve(false), { once: true });
  });
  const address = img.currentSrc || img.src;
  if (!shown) return { shown, ...(await ask(address)), bytes: 0, width: 0, height: 0 };
  const entry = await measured(address);
  const bytes = entry?.encodedBodySize ?? 0;
  return { shown, status: 200, code: '', bytes, ...(await pixels(address)) };
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)}\u00a0MB`;
  return bytes >= 1e3 ? `${Math.round(bytes / 1e3)}\u00a0kB` : `${bytes}\u00a0B`;
}

/** @param {Receipt} got */
export function summary(got) {
  if (!got.shown) return [got.status, got.code].filter(Boolean).join(' ');
  const sent = got.bytes ? size(got.bytes) : 'unchanged';
  return `${got.width}\u00a0×\u00a0${got.height}, ${sent}`;
}
