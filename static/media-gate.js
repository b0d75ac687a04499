/**
 * Guarded pictures for pages that hold a bearer token in memory:
 *
 *   const gate = createGate({ base: '/media', getToken });
 *   document.querySelectorAll('img[data-gate-src]').forEach((img) => gate.attach(img));
 *
 * Where the media cookie works, a plain <img> needs none of this. Needs `img-src blob:`, and a
 * width of each <img>.
 */

const LONGEST_WAIT = 30_000; // ms
const TRIES = 3;

/** @param {string} reason @param {number} [status] of the answer */
const problem = (reason, status = 0) => Object.assign(new Error(reason), { status });

/** The smallest step that fills a box. @param {number} pixels @param {number[]} widths */
export const chooseWidth = (pixels, widths) =>
  widths.find((width) => width >= pixels) ?? widths[widths.length - 1];

/**
 * The address if below the base, else null: the token goes nowhere else.
 * @param {string} src @param {string} base @param {string} page
 */
export function mediaUrl(src, base, page) {
  try {
    const root = new URL(base.replace(/\/*$/, '/'), page);
    const url = new URL(src, page);
    return url.origin === root.origin && url.pathname.startsWith(root.pathname) ? url : null;
  } catch {
    return null;
  }
}

/** Adds a width, unless the address says what it wants. @param {URL} url @param {number} width */
export function variantUrl(url, width) {
  const variant = new URL(url);
  const query = variant.searchParams;
  if (!['w', 'h', 'preset', 'sig'].some((name) => query.has(name))) query.set('w', `${width}`);
  return variant.href;
}

/**
 * One token for all pictures, however many wait.
 * @param {(options: { force: boolean }) => Promise<string> | string} getToken
 */
export function tokenSource(getToken) {
  /** @typedef {{ text: Promise<string>, forced: boolean, worked: boolean }} Token */
  /** @type {Token | null} */
  let current = null;
  function ask(forced = false) {
    const text = Promise.resolve({ force: forced }).then(getToken);
    const token = { text, forced, worked: false };
    text.catch(() => current === token && (current = null)); // so the next one tries again
    return (current = token);
  }
  const get = () => current ?? ask();
  return {
    get,
    /** @param {Token} refused */
    renew(refused) {
      if (refused !== current) return get(); // another picture has asked
      // A new token that never worked gets no better: one refresh, not one per picture.
      if (refused.forced && !refused.worked) throw problem('signed out', 401);
      return ask(true);
    },
    drop: () => (current = null),
  };
}

/** Runs so many tasks at once, in order. */
export function limiter(places = 1) {
  /** @type {((value?: unknown) => void)[]} */
  const waiting = [];
  /** @template T @param {AbortSignal} signal @param {() => Promise<T>} task */
  return async (signal, task) => {
    if (places) places -= 1;
    else await new Promise((enter) => waiting.push(enter));
    try {
      signal.throwIfAborted();
      return await task();
    } finally {
      const enter = waiting.shift();
      if (enter) enter();
      else places += 1;
    }
  };
}

/**
 * Object URLs by key: what nobody holds stays within the budget, the latest used longest; a load
 * nobody waits for is aborted.
 * @param {number} budget bytes @param {(key: string, signal: AbortSignal) => Promise<Blob>} load
 */
export function pictureCache(budget, load) {
  class Entry {
    abort = new AbortController();
    refs = 0;
    bytes = 0;
    url = '';
    /** @param {string} key */
    constructor(key) {
      this.key = key;
      this.ready = this.fill();
      this.ready.catch(() => this.drop()); // so the next one tries again
    }
    async fill() {
      const blob = await load(this.key, this.abort.signal);
      this.abort.signal.throwIfAborted();
      this.url = URL.createObjectURL(blob);
      total += this.bytes = blob.size;
      trim();
      return this.url;
    }
    release() {
      this.refs -= 1;
      if (this.refs || entries.get(this.key) !== this) return;
      if (!this.url) return this.drop();
      entries.delete(this.key);
      entries.set(this.key, this); // the latest used is last
      trim();
    }
    drop() {
      if (entries.get(this.key) === this) entries.delete(this.key);
      this.abort.abort();
      URL.revokeObjectURL(this.url);
      total -= this.bytes;
      this.bytes = 0;
    }
  }
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  let total = 0;
  function trim() {
    for (const entry of entries.values()) if (total > budget && !entry.refs) entry.drop();
  }
  return {
    /** @param {string} key */
    acquire(key) {
      const entry = entries.get(key) ?? new Entry(key);
      entries.set(key, entry);
      entry.refs += 1;
      return entry;
    },
    clear: () => entries.forEach((entry) => entry.drop()),
  };
}

/** @param {number} ms @param {AbortSignal} signal */
const pause = (ms, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), reject(signal.reason)));
  });

/**
 * An authorised request, with one new token and a few repeats. Not by XHR: only fetch can
 * refuse redirects.
 * @param {string} url @param {AbortSignal} signal @param {ReturnType<typeof tokenSource>} tokens
 */
async function request(url, signal, tokens) {
  let token = tokens.get();
  let renewed = false;
  for (let tried = 1; ; ) {
    const Authorization = `Bearer ${await token.text}`;
    // Alone, fetch accepts */* and the server cannot choose a format.
    const headers = { Accept: 'image/avif,image/webp,image/*;q=0.8', Authorization };
    const response = await fetch(url, { headers, signal, credentials: 'omit', redirect: 'error' });
    const { ok, status } = response;
    if (status !== 401) token.worked = true;
    if (ok) return response;
    if (status === 401 && !renewed) {
      renewed = true;
      token = tokens.renew(token);
      continue;
    }
    const wait = 1000 * Number(response.headers.get('Retry-After') ?? 2 ** tried);
    const isBusy = status === 429 || status === 503;
    if (!isBusy || tried === TRIES || !(wait <= LONGEST_WAIT)) throw problem('refused', status);
    tried += 1;
    await pause(wait * (1 + Math.random() / 4), signal); // not all at once
  }
}

/** @param {Response} response @param {number} maxBytes */
async function picture(response, maxBytes) {
  const { headers, status } = response;
  const type = headers.get('Content-Type') ?? '';
  if (!/^image\/(?!svg)/i.test(type)) throw problem('no picture', status);
  const fits = Number(headers.get('Content-Length')) <= maxBytes;
  const blob = fits && (await response.blob());
  if (!blob || blob.size > maxBytes) throw problem('too large', status);
  return blob;
}

/**
 * Shows guarded pictures in <img> elements; `data-gate-state` is "loading", "ready" or "error".
 * @param {object} options
 * @param {string} options.base where the token may be sent, such as "/media"
 * @param {(options: { force: boolean }) => Promise<string> | string} options.getToken the access
 *   token; with `force` a new one, for the last was refused
 * @param {number[]} [options.widths] the server's `images.widths`, ascending
 * @param {number} [options.maxDpr]
 * @param {number} [options.concurrency]
 * @param {number} [options.budget] bytes kept while off screen
 * @param {number} [options.maxBytes] of one picture
 * @param {(error: unknown, img: HTMLImageElement) => void} [options.onError]
 */
export function createGate({
  base,
  getToken,
  widths = [160, 320, 640, 960, 1280, 1920, 2560],
  maxDpr = 2,
  concurrency = 6,
  budget = 32 << 20,
  maxBytes = 16 << 20,
  onError = () => {},
}) {
  const tokens = tokenSource(getToken);
  const limit = limiter(concurrency);
  const cache = pictureCache(budget, (url, signal) =>
    limit(signal, async () => picture(await request(url, signal, tokens), maxBytes)),
  );
  // Has no size, so takes the box that CSS and attributes give.
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"/>';
  const blank = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  /** @type {WeakMap<Element, URL>} forgets what leaves the page */
  let sources = new WeakMap();
  /** @type {Map<HTMLImageElement, () => void>} how to let go of what is near the screen */
  const shown = new Map();
  /** @param {any} change an image that leaves the page leaves the screen, too */
  const moved = ({ target, isIntersecting }) => (isIntersecting ? show(target) : hide(target));
  const observer = new IntersectionObserver((changes) => changes.forEach(moved), {
    rootMargin: '50% 0px',
  });

  /** @param {HTMLImageElement} img */
  function empty(img) {
    img.src = blank;
    img.dataset.gateState = 'loading';
  }
  /** @param {HTMLImageElement} img @param {unknown} error */
  function fail(img, error) {
    img.removeAttribute('src'); // shows the alternative text
    img.dataset.gateState = 'error';
    onError(error, img);
  }
  /** @param {HTMLImageElement} img */
  async function show(img) {
    const source = sources.get(img);
    if (!source || shown.has(img)) return;
    const width = chooseWidth(img.clientWidth * Math.min(devicePixelRatio, maxDpr), widths);
    const entry = cache.acquire(variantUrl(source, width));
    const release = () => entry.release();
    const isCurrent = () => shown.get(img) === release;
    shown.set(img, release);
    try {
      const url = await entry.ready;
      if (!isCurrent()) return;
      const apart = new Image(); // in Firefox, img would answer for what it shows already
      apart.src = url;
      await apart.decode();
      if (!isCurrent()) return;
      img.src = url;
      img.dataset.gateState = 'ready';
    } catch (error) {
      if (isCurrent()) fail(img, error);
    }
  }
  /** @param {HTMLImageElement} img */
  function hide(img) {
    const release = shown.get(img);
    if (!release) return;
    shown.delete(img);
    if (img.dataset.gateState === 'ready' && getComputedStyle(img).aspectRatio === 'auto') {
      img.style.aspectRatio = `auto ${img.naturalWidth} / ${img.naturalHeight}`; // nothing jumps
    }
    empty(img);
    release();
  }
  return {
    /** Shows it while near the screen. @param {HTMLImageElement} img @param {string} [src] */
    attach(img, src = img.dataset.gateSrc ?? '') {
      hide(img);
      sources.delete(img);
      observer.unobserve(img); // to hear of it anew
      const url = mediaUrl(src, base, document.baseURI);
      if (!url) return fail(img, problem('outside the gate'));
      sources.set(img, url);
      empty(img);
      observer.observe(img);
    },
    /** At logout: pictures go, requests end, the token is forgotten. */
    clear() {
      sources = new WeakMap();
      [...shown.keys()].forEach(hide);
      cache.clear();
      tokens.drop();
    },
  };
}
