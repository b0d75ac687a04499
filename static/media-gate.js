/**
 * Guarded pictures for pages that hold a bearer token in memory.
 *
 *   import { createGate } from '/media/-/static/media-gate.js';
 *   const gate = createGate({ base: '/media', getToken: ({ force }) => app.mediaToken(force) });
 *   document.querySelectorAll('img[data-gate-src]').forEach((img) => gate.attach(img));
 *   // at logout: gate.clear();
 *
 * Where the media cookie works, a plain <img> needs none of this. Each picture is fetched at the
 * width it is shown in and becomes an object URL for as long as it is near the screen. Pages need
 * `img-src blob:`; give every <img> a width by CSS or attribute.
 */

const WIDTHS = [160, 320, 640, 960, 1280, 1920, 2560];
const ACCEPT = 'image/avif,image/webp,image/*;q=0.8'; // fetch alone would say */*
const TRIES = 3;
const LONGEST_WAIT = 30_000; // ms

/** A picture that is not shown; `status` is the HTTP status, or 0 where there was none. */
export class PictureError extends Error {
  /** @param {string} reason @param {number} [status] */
  constructor(reason, status = 0) {
    super(reason);
    this.name = 'PictureError';
    this.status = status;
  }
}

/**
 * The smallest step that fills a box, or the largest there is.
 * @param {number} box CSS pixels @param {number} ratio device pixels per CSS pixel
 * @param {number[]} widths ascending
 */
export function chooseWidth(box, ratio, widths) {
  return widths.find((width) => width >= box * ratio) ?? widths[widths.length - 1];
}

/**
 * The address if it lies below the base, else null. Only such addresses ever see the token, so
 * both are parsed, and compared by origin and whole path segments.
 * @param {string} src @param {string} base @param {string} page
 */
export function mediaUrl(src, base, page) {
  try {
    const root = new URL(`${base.replace(/\/+$/, '')}/`, page);
    const url = new URL(src, page);
    const below = url.origin === root.origin && url.pathname.startsWith(root.pathname);
    return below && /^https?:$/.test(url.protocol) && !url.username && !url.password ? url : null;
  } catch {
    return null;
  }
}

/** Adds the width, unless the address already says what it wants. @param {URL} url @param {number} width */
export function variantUrl(url, width) {
  const variant = new URL(url);
  const { searchParams } = variant;
  if (!['w', 'h', 'preset', 'sig'].some((name) => searchParams.has(name))) {
    searchParams.set('w', String(width));
  }
  variant.hash = '';
  return variant.href;
}

/**
 * Milliseconds to wait before another try, or null if that is longer than anybody watches.
 * @param {string | null} retryAfter seconds or an HTTP-date @param {number} tried @param {number} now ms
 */
export function retryDelay(retryAfter, tried, now) {
  const seconds = /^\d+$/.test(retryAfter ?? '') ? Number(retryAfter) : NaN;
  const asked = seconds >= 0 ? seconds * 1000 : Date.parse(retryAfter ?? '') - now;
  const wait = asked >= 0 ? asked : 500 * 2 ** tried;
  return wait <= LONGEST_WAIT ? wait : null;
}

/**
 * One token for all pictures, asked for once however many wait for it.
 * @param {(options: { force: boolean }) => Promise<string> | string} getToken
 */
export function tokenSource(getToken) {
  /** @typedef {{ text: Promise<string>, forced: boolean, worked: boolean }} Token */
  /** @type {Token | null} */
  let current = null;
  /** @param {boolean} forced */
  function ask(forced) {
    const text = Promise.resolve().then(() => getToken({ force: forced }));
    const token = { text, forced, worked: false };
    current = token;
    text.catch(() => current === token && (current = null)); // the next picture asks again
    return token;
  }
  const get = () => current ?? ask(false);
  return {
    get,
    /** A newer token than the refused one. @param {Token} refused */
    renew(refused) {
      if (refused !== current) return get(); // somebody else has already asked
      // A fresh token that never worked will not get better: one refresh, not one per picture.
      if (refused.forced && !refused.worked) throw new PictureError('signed out', 401);
      return ask(true);
    },
    drop() {
      current = null;
    },
  };
}

/** Runs at most `limit` tasks at once, in order; an aborted one gives up its place. @param {number} limit */
export function limiter(limit) {
  /** @type {Set<() => void>} */
  const waiting = new Set();
  let active = 0;
  function next() {
    for (const start of waiting) {
      if (active >= limit) return;
      waiting.delete(start);
      active += 1;
      start();
    }
  }
  /** @template T @param {AbortSignal} signal @param {() => Promise<T>} task */
  return async (signal, task) => {
    signal.throwIfAborted();
    await new Promise((start, reject) => {
      const enter = () => start(undefined);
      signal.addEventListener('abort', () => waiting.delete(enter) && reject(signal.reason));
      waiting.add(enter);
      next();
    });
    try {
      return await task();
    } finally {
      active -= 1;
      next();
    }
  };
}

/**
 * Object URLs by key. What somebody holds stays; what nobody holds stays within the budget, the
 * longest unused going first; a load that nobody waits for any more is aborted.
 * @param {number} budget bytes @param {(key: string, signal: AbortSignal) => Promise<Blob>} load
 */
export function pictureCache(budget, load) {
  /** @typedef {{ refs: number, bytes: number, url: string, ready: Promise<string>, abort: AbortController }} Entry */
  /** @type {Map<string, Entry>} oldest first */
  const entries = new Map();
  let held = 0;

  /** @param {string} key @param {Entry} entry */
  function drop(key, entry) {
    entries.delete(key);
    entry.abort.abort();
    held -= entry.bytes;
    if (entry.url) URL.revokeObjectURL(entry.url);
  }
  function trim() {
    for (const [key, entry] of entries) {
      if (held <= budget) return;
      if (!entry.refs) drop(key, entry);
    }
  }
  /** @param {string} key @param {AbortController} abort */
  async function fill(key, abort) {
    try {
      const blob = await load(key, abort.signal);
      abort.signal.throwIfAborted();
      const entry = /** @type {Entry} */ (entries.get(key));
      entry.bytes = blob.size;
      entry.url = URL.createObjectURL(blob);
      held += blob.size;
      trim();
      return entry.url;
    } catch (error) {
      if (entries.get(key)?.abort === abort) entries.delete(key); // the next one tries again
      throw error;
    }
  }
  /** @param {string} key */
  function open(key) {
    const abort = new AbortController();
    const entry = { refs: 0, bytes: 0, url: '', abort, ready: fill(key, abort) };
    entries.set(key, entry);
    return entry;
  }
  return {
    /** @param {string} key */
    acquire(key) {
      const entry = entries.get(key) ?? open(key);
      entry.refs += 1;
      return {
        ready: entry.ready,
        /** To be called once. */
        release() {
          entry.refs -= 1;
          if (entry.refs || entries.get(key) !== entry) return;
          if (!entry.url) return drop(key, entry);
          entries.delete(key);
          entries.set(key, entry); // now the most recently used
          trim();
        },
      };
    },
    clear() {
      for (const [key, entry] of entries) drop(key, entry);
    },
  };
}

/** @param {number} ms @param {AbortSignal} signal */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/**
 * The answer to an authorised request, after at most one new token and a few polite repeats.
 * By fetch and not by XHR, because only fetch can refuse redirects, and a token must follow none.
 * @param {string} url @param {ReturnType<typeof tokenSource>} tokens @param {AbortSignal} signal
 */
async function request(url, tokens, signal) {
  let token = tokens.get();
  let renewed = false;
  for (let tried = 0; ; ) {
    const headers = { Accept: ACCEPT, Authorization: `Bearer ${await token.text}` };
    const response = await fetch(url, { headers, signal, credentials: 'omit', redirect: 'error' });
    if (response.ok) {
      token.worked = true;
      return response;
    }
    response.body?.cancel();
    if (response.status === 401 && !renewed) {
      renewed = true;
      token = tokens.renew(token);
      continue;
    }
    const busy = response.status === 429 || response.status === 503;
    const wait = retryDelay(response.headers.get('Retry-After'), tried, Date.now());
    tried += 1;
    if (!busy || wait === null || tried >= TRIES) throw new PictureError('refused', response.status);
    await pause(wait * (1 + Math.random() / 4), signal); // not all at the same moment
  }
}

/**
 * The body as a blob, if it is a raster image within the limit; counted, not believed.
 * @param {Response} response @param {number} maxBytes
 */
async function picture(response, maxBytes) {
  const [type] = (response.headers.get('Content-Type') ?? '').split(';');
  const reader = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (response.body).getReader();
  const chunks = [];
  let size = 0;
  let reason = /^image\/(?!svg)[\w.+-]+$/i.test(type) ? '' : 'not a picture';
  while (!reason) {
    const { done, value } = await reader.read();
    if (done) return new Blob(chunks, { type });
    chunks.push(value);
    size += value.length;
    if (size > maxBytes) reason = 'too large';
  }
  reader.cancel();
  throw new PictureError(reason, response.status);
}

/**
 * Shows guarded pictures in <img> elements; `data-gate-state` is "loading", "ready" or "error".
 * @param {object} options
 * @param {string} options.base address below which the token may be sent, such as "/media"
 * @param {(options: { force: boolean }) => Promise<string> | string} options.getToken an access
 *   token; with `force` a new one, because the last was refused
 * @param {number[]} [options.widths] the steps of the server's `images.widths`
 * @param {number} [options.maxDpr] device pixels per CSS pixel that are worth their bytes
 * @param {number} [options.concurrency] pictures fetched at once
 * @param {number} [options.budget] bytes of pictures kept that are off screen
 * @param {number} [options.maxBytes] bytes of one picture
 * @param {(error: unknown, img: HTMLImageElement) => void} [options.onError]
 */
export function createGate({
  base,
  getToken,
  widths = WIDTHS,
  maxDpr = 2,
  concurrency = 6,
  budget = 32 << 20,
  maxBytes = 16 << 20,
  onError = () => {},
}) {
  const steps = [...widths].sort((a, b) => a - b);
  const tokens = tokenSource(getToken);
  const limit = limiter(concurrency);
  const cache = pictureCache(budget, (url, signal) =>
    limit(signal, async () => picture(await request(url, tokens, signal), maxBytes)),
  );
  // A picture without size or ratio keeps the box that CSS and the attributes give it.
  const nothing = new Blob(['<svg xmlns="http://www.w3.org/2000/svg"/>'], { type: 'image/svg+xml' });
  const blank = URL.createObjectURL(nothing);
  // Weak, so that images which leave the page are not kept; only what is on screen is held.
  /** @type {WeakMap<HTMLImageElement, URL>} */
  let sources = new WeakMap();
  /** @type {Map<HTMLImageElement, ReturnType<typeof cache.acquire>>} */
  const shown = new Map();
  const observer = new IntersectionObserver(
    (changes) => {
      for (const { target, isIntersecting } of changes) {
        const img = /** @type {HTMLImageElement} */ (target);
        if (isIntersecting) show(img);
        else hide(img);
      }
    },
    { rootMargin: '50% 0px' },
  );

  /** @param {HTMLImageElement} img @param {unknown} error */
  function fail(img, error) {
    img.removeAttribute('src'); // so that the alternative text is seen
    img.dataset.gateState = 'error';
    onError(error, img);
  }
  /** @param {HTMLImageElement} img */
  async function show(img) {
    const source = sources.get(img);
    if (!source || shown.has(img)) return;
    const width = chooseWidth(img.clientWidth, Math.min(devicePixelRatio, maxDpr), steps);
    const lease = cache.acquire(variantUrl(source, width));
    shown.set(img, lease);
    try {
      const url = await lease.ready;
      if (shown.get(img) !== lease) return;
      img.src = url;
      await img.decode();
      if (shown.get(img) === lease) img.dataset.gateState = 'ready';
    } catch (error) {
      if (shown.get(img) === lease) fail(img, error);
    }
  }
  /** @param {HTMLImageElement} img */
  function hide(img) {
    const lease = shown.get(img);
    if (!lease) return;
    shown.delete(img);
    if (img.dataset.gateState === 'ready' && getComputedStyle(img).aspectRatio === 'auto') {
      img.style.aspectRatio = `auto ${img.naturalWidth} / ${img.naturalHeight}`;
    }
    img.src = blank;
    img.dataset.gateState = 'loading';
    lease.release();
  }
  return Object.freeze({
    /**
     * Shows a picture whenever the image is near the screen.
     * @param {HTMLImageElement} img @param {string} [src] instead of its `data-gate-src`
     */
    attach(img, src = img.dataset.gateSrc ?? '') {
      hide(img);
      observer.unobserve(img);
      const url = mediaUrl(src, base, document.baseURI);
      if (!url) {
        sources.delete(img);
        return fail(img, new PictureError('outside the gate'));
      }
      sources.set(img, url);
      img.src = blank;
      img.dataset.gateState = 'loading';
      observer.observe(img);
    },
    /** At logout: every picture goes, every request ends, the token is forgotten. */
    clear() {
      observer.disconnect();
      sources = new WeakMap();
      for (const img of [...shown.keys()]) hide(img);
      cache.clear();
      tokens.drop();
    },
  });
}
