/**
 * Each way in: what it is for, what the browser holds for it, and how a picture is fetched by it.
 *
 * JSON it needs:
 *   POST /demo/api/token {"force": bool} -> {"access_token"}; 401 without a living session
 */
import { createGate } from '/media/-/static/media-gate.js';
import { ask, pixels, receipt } from './measure.js';
import { api } from './shell.js';

const COOKIE = 'Cookie: __Host-Http-media-gate=…';
const IMAGE = 'Sec-Fetch-Dest: image';

export const WAYS = {
  cookie: {
    title: 'Media cookie',
    lead: 'A plain <img>. For the normal page, old stored pages too.',
    holds: () => `An HttpOnly, SameSite=Strict cookie. Scripts read: ${document.cookie || 'nothing'}.`,
    sends: [COOKIE, IMAGE],
  },
  page: {
    title: 'Signed address, with the cookie',
    lead: 'use=page. For pages that want addresses which expire.',
    holds: () => 'An address that counts only beside the cookie of the same person.',
    sends: [COOKIE, IMAGE],
  },
  signed: {
    title: 'Signed address',
    lead: 'For apps without cookies.',
    holds: () => 'An address, good for minutes and only inside this site’s pages.',
    sends: ['Sec-Fetch-Site: same-origin', IMAGE],
  },
  link: {
    title: 'Link',
    lead: 'use=link. For e-mail, feeds and people without an account.',
    holds: () => 'An address that stands alone, until it expires or is revoked.',
    sends: [],
  },
  bearer: {
    title: 'Token and blob',
    lead: 'media-gate.js. For tokens kept in memory and embeds elsewhere.',
    holds: () => 'An access token inside a closure, and a blob: address that works in this tab.',
    sends: ['Authorization: Bearer mga_…', 'Sec-Fetch-Dest: empty'],
  },
  open: {
    title: 'Open mount',
    lead: 'For pictures that are not sensitive.',
    holds: () => 'Nothing. Shared caches may keep the picture.',
    sends: [],
  },
};

// The token lives in this closure and inside the helper, nowhere else.
const refused = new WeakMap();
const gate = createGate({
  base: '/media',
  getToken: async ({ force }) => (await api('token', { force })).access_token,
  onError: (error, img) => refused.set(img, error.status),
});

/** The request the helper chose by itself: it shows in its width. @param {string} url @param {number} width */
function fetchedAt(url, width) {
  const { pathname } = new URL(url, location.href);
  return performance
    .getEntriesByType('resource')
    .filter(({ initiatorType, name }) => {
      const { pathname: path, searchParams } = new URL(name);
      return initiatorType === 'fetch' && path === pathname && searchParams.get('w') === String(width);
    })
    .at(-1);
}

/** Resolves when the helper has shown a picture or given up. @param {HTMLImageElement} img */
function settled(img) {
  return new Promise((resolve) => {
    const watch = new MutationObserver(() => {
      if (img.dataset.gateState === 'loading') return;
      watch.disconnect();
      resolve(img.dataset.gateState === 'ready');
    });
    watch.observe(img, { attributeFilter: ['data-gate-state'] });
  });
}

/** By the helper. @param {HTMLImageElement} img @param {string} url @param {number} round */
async function helped(img, url, round) {
  if (round) gate.clear(); // else it shows what it still holds
  const done = settled(img);
  gate.attach(img, url);
  const shown = await done;
  const status = shown ? 200 : (refused.get(img) ?? 0);
  const code = status === 401 ? 'unauthorized' : '';
  const { width, height } = shown ? await pixels(img.src) : { width: 0, height: 0 };
  const entry = fetchedAt(url, width);
  const bytes = entry?.encodedBodySize ?? 0;
  return { shown, status, code, bytes, width, height, asked: entry?.name ?? url };
}

/**
 * By a plain image. From the second round on the gate is asked first: a page may otherwise show a
 * picture again from its own memory, and the fragment (never sent) makes it one it has not seen.
 * @param {HTMLImageElement} img @param {string} url @param {number} round
 */
async function plain(img, url, round) {
  if (round) await ask(url);
  img.src = round ? `${url}#${round}` : url;
  return { ...(await receipt(img)), asked: url };
}

/**
 * Fetches a picture into an image.
 * @param {string} id of the way @param {HTMLImageElement} img @param {string} url
 * @param {number} round 0 at first, more whenever everything is asked for again
 */
export function fetchPicture(id, img, url, round) {
  return id === 'bearer' ? helped(img, url, round) : plain(img, url, round);
}
