/**
 * The helper against a real HTTP server on loopback; only what needs a page is a stand-in.
 * How it looks and what it costs in memory is for real browsers.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { resolveObjectURL } from 'node:buffer';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

const SOURCE = fileURLToPath(new URL('../../static/media-gate.js', import.meta.url));
// Older node takes a .js file for a module only beside a package.json, which browsers don't need.
const folder = mkdtempSync(join(tmpdir(), 'media-gate-js-'));
copyFileSync(SOURCE, join(folder, 'media-gate.mjs'));
const { chooseWidth, createGate, limiter, mediaUrl, pictureCache, tokenSource, variantUrl } =
  await import(pathToFileURL(join(folder, 'media-gate.mjs')).href);
after(() => rmSync(folder, { recursive: true }));

/** Resolves when every promise that can go on without the network has. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Asks again and again until it is so; the runner's own timeout is the limit. */
async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe('the file', () => {
  const text = readFileSync(SOURCE, 'utf8');

  it('costs at most four kilobytes as it is shipped', () => {
    assert.ok(gzipSync(text, { level: 9 }).length <= 4096);
  });

  it('imports nothing, stores nothing and writes no markup', () => {
    const code = text.replace(/\/\*[\s\S]*?\*\//g, '');
    assert.doesNotMatch(code, /\bimport\b|require\(|Storage|indexedDB|cookie|innerHTML|eval|data:/);
  });
});

describe('chooseWidth', () => {
  const rows = [
    [0, 160],
    [159.5, 160],
    [160, 160],
    [160.5, 320],
    [640, 640],
    [9999, 640],
  ];
  for (const [pixels, width] of rows) {
    it(`fills ${pixels} pixels with ${width}`, () => {
      assert.equal(chooseWidth(pixels, [160, 320, 640]), width);
    });
  }
});

describe('mediaUrl', () => {
  const page = 'https://wiki.example/page/one';
  const inside = [
    ['/media/uploads/cat.jpg', '/media'],
    ['/media/uploads/cat.jpg', '/media//'],
    ['../media/uploads/cat.jpg?x=1', '/media/'],
    ['https://WIKI.example:443/media/a/b.jpg', '/media'],
    ['https://cdn.example/m/a/b.jpg', 'https://cdn.example/m'],
    ['/anything.jpg', '/'],
  ];
  for (const [src, base] of inside) {
    it(`takes ${src} below ${base}`, () => assert.ok(mediaUrl(src, base, page)));
  }
  const outside = [
    'https://evil.example/media/a.jpg',
    'https://wiki.example.evil.net/media/a.jpg',
    'https://wiki.example@evil.example/media/a.jpg',
    'https://evil.example/?https://wiki.example/media/a.jpg',
    'https://evil.example#https://wiki.example/media/a.jpg',
    'http://wiki.example/media/a.jpg',
    'https://wiki.example:8443/media/a.jpg',
    '//evil.example/media/a.jpg',
    '\\\\evil.example\\media\\a.jpg',
    '/media',
    '/mediator/a.jpg',
    '/Media/a.jpg',
    '/media/../admin/a.jpg',
    '/media/%2e%2e/admin/a.jpg',
    '/media/..\\admin/a.jpg',
    'data:image/png;base64,AAAA',
    'blob:https://wiki.example/media/1',
    'javascript:alert(1)',
    'https://[/media/',
    '',
  ];
  for (const src of outside) {
    it(`refuses ${JSON.stringify(src)}`, () => assert.equal(mediaUrl(src, '/media', page), null));
  }
});

describe('variantUrl', () => {
  const rows = [
    ['https://w.example/media/a.jpg', 'https://w.example/media/a.jpg?w=320'],
    ['https://w.example/media/a.jpg?v=2', 'https://w.example/media/a.jpg?v=2&w=320'],
    ...['w=1', 'h=1', 'preset=thumb', 'exp=1&sig=x'].map((query) => [
      `https://w.example/media/a.jpg?${query}`,
      `https://w.example/media/a.jpg?${query}`,
    ]),
  ];
  for (const [url, variant] of rows) {
    it(`makes ${variant}`, () => {
      const given = new URL(url);
      assert.equal(variantUrl(given, 320), variant);
      assert.equal(given.href, url);
    });
  }
});

describe('tokenSource', () => {
  it('asks once for all, and again with force once for all that were refused', async () => {
    const asked = [];
    const tokens = tokenSource(async ({ force }) => `t${asked.push(force)}`);
    const first = [tokens.get(), tokens.get(), tokens.get()];
    assert.deepEqual(await Promise.all(first.map(({ text }) => text)), ['t1', 't1', 't1']);
    const second = first.map((token) => tokens.renew(token));
    assert.deepEqual(await Promise.all(second.map(({ text }) => text)), ['t2', 't2', 't2']);
    assert.deepEqual(asked, [false, true]);
  });

  it('gives up on a new token that never worked, but renews one that did', async () => {
    const asked = [];
    const tokens = tokenSource(({ force }) => `t${asked.push(force)}`);
    const renewed = tokens.renew(tokens.get());
    assert.throws(() => tokens.renew(renewed), { status: 401 });
    renewed.worked = true;
    assert.equal(await tokens.renew(renewed).text, 't3');
    assert.deepEqual(asked, [false, true, true]);
  });

  it('asks again after the app failed to give one, and after it was told to forget', async () => {
    let calls = 0;
    const tokens = tokenSource(() => {
      calls += 1;
      if (calls === 1) throw new Error('offline');
      return `t${calls}`;
    });
    await assert.rejects(tokens.get().text, /offline/);
    assert.equal(await tokens.get().text, 't2');
    tokens.drop();
    assert.equal(await tokens.get().text, 't3');
  });
});

describe('limiter', () => {
  it('runs so many at once, in order, and goes on after failures', async () => {
    const limit = limiter(2);
    const { signal } = new AbortController();
    const log = [];
    const finish = [];
    const runs = ['a', 'b', 'c', 'd'].map((name) =>
      limit(signal, () => {
        log.push(name);
        return new Promise((resolve, reject) => finish.push({ resolve, reject }));
      }),
    );
    await settled();
    assert.deepEqual(log, ['a', 'b']);
    finish[1].reject(new Error('no'));
    await assert.rejects(runs[1], /no/);
    await settled();
    assert.deepEqual(log, ['a', 'b', 'c']);
    finish[0].resolve();
    await settled();
    assert.deepEqual(log, ['a', 'b', 'c', 'd']);
    finish[2].resolve();
    finish[3].resolve();
    await Promise.all([runs[0], runs[2], runs[3]]);
    await limit(signal, async () => log.push('e'));
    assert.equal(log.at(-1), 'e');
  });

  it('never starts what was aborted while it waited, and passes its turn on', async () => {
    const limit = limiter(1);
    const abort = new AbortController();
    const { signal } = new AbortController();
    let finish;
    const first = limit(signal, () => new Promise((resolve) => (finish = resolve)));
    const second = limit(abort.signal, () => assert.fail('started'));
    const third = limit(signal, async () => 'third');
    abort.abort();
    finish();
    await first;
    await assert.rejects(second, { name: 'AbortError' });
    assert.equal(await third, 'third');
  });
});

describe('pictureCache', () => {
  const bytes = (size) => new Blob([new Uint8Array(size)]);
  const alive = (url) => resolveObjectURL(url) !== undefined;

  it('loads once for all who hold it and keeps it while anybody does', async () => {
    let loads = 0;
    const cache = pictureCache(0, async () => ((loads += 1), bytes(10)));
    const [one, two] = [cache.acquire('a'), cache.acquire('a')];
    const url = await one.ready;
    assert.equal(await two.ready, url);
    assert.equal(loads, 1);
    one.release();
    assert.ok(alive(url));
    two.release();
    assert.ok(!alive(url));
  });

  it('keeps what nobody holds within the budget, the latest used longest', async () => {
    const cache = pictureCache(20, async () => bytes(10));
    const entries = ['a', 'b', 'c'].map((key) => cache.acquire(key));
    const [a, b, c] = await Promise.all(entries.map(({ ready }) => ready));
    assert.ok(alive(a) && alive(b) && alive(c), 'what is held may exceed it');
    entries[1].release();
    assert.ok(alive(a) && !alive(b) && alive(c));
    entries[2].release();
    entries[0].release();
    assert.ok(alive(a) && alive(c));
    await cache.acquire('d').ready;
    assert.ok(alive(a) && !alive(c), 'c was let go before a');
    assert.equal(await cache.acquire('a').ready, a, 'no second load');
    await cache.acquire('e').ready;
    assert.ok(alive(a), 'held again');
    cache.clear();
  });

  it('aborts a load that nobody waits for and starts anew for the next', async () => {
    const loads = [];
    const cache = pictureCache(100, (key, signal) => {
      return new Promise((resolve) => loads.push({ signal, resolve }));
    });
    const [one, two] = [cache.acquire('a'), cache.acquire('a')];
    one.release();
    assert.ok(!loads[0].signal.aborted);
    two.release();
    assert.ok(loads[0].signal.aborted);
    const three = cache.acquire('a');
    loads[0].resolve(bytes(1)); // too late: it came although it was aborted
    await assert.rejects(one.ready, { name: 'AbortError' });
    loads[1].resolve(bytes(2));
    assert.equal(resolveObjectURL(await three.ready).size, 2);
    cache.acquire('a').release();
    three.release();
    assert.equal(loads.length, 2);
    cache.clear();
  });

  it('forgets a failure, whose holder cannot disturb the next', async () => {
    let fail = true;
    const cache = pictureCache(0, async () => {
      if (fail) throw new Error('no');
      return bytes(1);
    });
    const failed = cache.acquire('a');
    await assert.rejects(failed.ready, /no/);
    fail = false;
    const next = cache.acquire('a');
    const url = await next.ready;
    failed.release();
    assert.ok(alive(url));
    next.release();
    assert.ok(!alive(url));
  });

  it('lets everything go when cleared, held or not, and counts anew', async () => {
    const cache = pictureCache(10, async () => bytes(10));
    const held = cache.acquire('a');
    const a = await held.ready;
    cache.clear();
    assert.ok(!alive(a));
    held.release();
    const next = cache.acquire('a');
    const again = await next.ready;
    next.release();
    assert.ok(alive(again), 'loaded anew, and the budget is whole again');
    cache.clear();
    assert.ok(!alive(again));
  });
});

describe('createGate', () => {
  /** @type {import('node:http').Server} */
  let server;
  let origin;
  let answer;
  let requests;
  let observers;
  let gates;

  class Observer {
    targets = new Set();
    constructor(report) {
      this.report = report;
      observers.push(this);
    }
    observe(target) {
      if (this.targets.has(target)) return;
      this.targets.add(target);
      queueMicrotask(() => this.report([{ target, isIntersecting: target.near }]));
    }
    unobserve(target) {
      this.targets.delete(target);
    }
  }

  class Image {
    dataset = {};
    style = {};
    clientWidth = 300;
    naturalWidth = 4;
    naturalHeight = 3;
    alt = 'a cat';
    near = false;
    src = '';
    constructor(gateSrc) {
      if (gateSrc) this.dataset.gateSrc = gateSrc;
    }
    removeAttribute(name) {
      assert.equal(name, 'src');
      this.src = null;
    }
    async decode() {
      const blob = resolveObjectURL(this.src);
      if ((await blob.text()) === 'broken') throw new Error('cannot be decoded');
    }
    get state() {
      return this.dataset.gateState;
    }
    get isBlank() {
      return resolveObjectURL(this.src)?.type === 'image/svg+xml';
    }
  }

  /** Moves an image onto the screen or off it; a report may have been on its way for long. */
  function move(img, isIntersecting) {
    img.near = isIntersecting;
    for (const { report } of observers) report([{ target: img, isIntersecting }]);
  }

  function gate(options = {}) {
    const made = createGate({ base: `${origin}/media`, getToken: () => 'mga_1', ...options });
    gates.push(made);
    return made;
  }

  /** Attaches an image that is on the screen and waits for its fate. */
  async function shown(made, src) {
    const img = new Image(src);
    made.attach(img);
    move(img, true);
    await until(() => img.state !== 'loading');
    return img;
  }

  before(async () => {
    globalThis.document = { baseURI: 'http://page.invalid/' };
    globalThis.devicePixelRatio = 3;
    globalThis.Image = Image;
    globalThis.IntersectionObserver = Observer;
    globalThis.getComputedStyle = (img) => ({ aspectRatio: img.ratio ?? 'auto' });
    server = createServer((request, response) => {
      requests.push(request);
      answer(request, response);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${server.address().port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    requests = [];
    observers = [];
    gates = [];
    answer = (request, response) => picture(response);
  });
  afterEach(() => gates.forEach((made) => made.clear()));

  function picture(response, body = 'pixels', headers = {}) {
    response.writeHead(200, { 'Content-Type': 'image/webp', ...headers }).end(body);
  }

  it('asks for the width of the box, once, with the token and an Accept of its own', async () => {
    const img = await shown(gate(), `${origin}/media/uploads/cat.jpg`);
    assert.equal(img.state, 'ready');
    assert.equal(await resolveObjectURL(img.src).text(), 'pixels');
    assert.equal(img.alt, 'a cat');
    const [request, ...more] = requests;
    assert.equal(more.length, 0);
    assert.equal(request.url, '/media/uploads/cat.jpg?w=640', '300 CSS pixels, ratio capped at 2');
    assert.equal(request.headers.authorization, 'Bearer mga_1');
    assert.equal(request.headers.accept, 'image/avif,image/webp,image/*;q=0.8');
    assert.equal(request.headers.cookie, undefined);
  });

  it('takes the address that is handed to it before the one in the page', async () => {
    const made = gate({ widths: [100, 1000], maxDpr: 1 });
    const img = new Image(`${origin}/media/a/one.jpg`);
    made.attach(img, `${origin}/media/a/two.jpg`);
    move(img, true);
    await until(() => img.state === 'ready');
    assert.deepEqual(requests.map(({ url }) => url), ['/media/a/two.jpg?w=1000']);
  });

  it('asks for nothing before an image is near the screen', async () => {
    const img = new Image(`${origin}/media/a/b.jpg`);
    gate().attach(img);
    await settled();
    assert.equal(requests.length, 0);
    assert.equal(img.state, 'loading');
    assert.ok(img.isBlank);
  });

  it('sends nothing at all to an address outside the base', async () => {
    const errors = [];
    const made = gate({ onError: (error, img) => errors.push([error.message, img]) });
    for (const src of [`${origin}/other/a.jpg`, 'http://127.0.0.1:1/media/a.jpg', undefined]) {
      const img = new Image(src);
      made.attach(img);
      move(img, true);
      assert.equal(img.state, 'error');
      assert.deepEqual(errors.pop(), ['outside the gate', img]);
    }
    assert.equal(requests.length, 0);
  });

  it('follows no redirect, so that the token goes nowhere else', async () => {
    answer = (request, response) => response.writeHead(302, { Location: '/media/b/b.jpg' }).end();
    const img = await shown(gate(), `${origin}/media/a/b.jpg`);
    assert.equal(img.state, 'error');
    assert.equal(requests.length, 1);
  });

  it('releases an image that leaves, and shows it again without asking', async () => {
    const made = gate();
    const img = await shown(made, `${origin}/media/a/b.jpg`);
    move(img, false);
    assert.ok(img.isBlank);
    assert.equal(img.state, 'loading');
    assert.equal(img.style.aspectRatio, 'auto 4 / 3');
    move(img, true);
    await until(() => img.state === 'ready');
    assert.equal(requests.length, 1);
  });

  it("leaves the page's own aspect ratio alone", async () => {
    const img = new Image(`${origin}/media/a/b.jpg`);
    img.ratio = '1 / 1';
    gate().attach(img);
    move(img, true);
    await until(() => img.state === 'ready');
    move(img, false);
    assert.equal(img.style.aspectRatio, undefined);
  });

  it('aborts the request of an image that leaves while it loads', async () => {
    let closed = false;
    answer = (request, response) => response.on('close', () => (closed = true));
    const errors = [];
    const img = new Image(`${origin}/media/a/b.jpg`);
    gate({ onError: (error) => errors.push(error) }).attach(img);
    move(img, true);
    await until(() => requests.length === 1);
    move(img, false);
    await until(() => closed);
    assert.equal(img.state, 'loading');
    assert.deepEqual(errors, []);
  });

  it('is not confused by an image that leaves and comes back at once', async () => {
    const errors = [];
    const img = new Image(`${origin}/media/a/b.jpg`);
    gate({ budget: 0, onError: (error) => errors.push(error) }).attach(img);
    for (const near of [true, false, true, true, false, true]) move(img, near);
    await until(() => img.state === 'ready');
    for (const near of [false, true, true]) move(img, near);
    await until(() => img.state === 'ready');
    const { src } = img;
    move(img, false);
    assert.equal(resolveObjectURL(src), undefined, 'reported twice, but held once');
    assert.deepEqual(errors, []);
  });

  it('shows another picture in the same image when attached again', async () => {
    const made = gate();
    const img = await shown(made, `${origin}/media/a/one.jpg`);
    answer = (request, response) => picture(response, 'second');
    made.attach(img, `${origin}/media/a/two.jpg`);
    assert.ok(img.isBlank);
    await until(() => img.state === 'ready');
    assert.equal(await resolveObjectURL(img.src).text(), 'second');
  });

  it('shows nothing more in an image that is attached to an address outside', async () => {
    const made = gate();
    const img = await shown(made, `${origin}/media/a/one.jpg`);
    made.attach(img, '/elsewhere.jpg');
    move(img, true);
    await settled();
    assert.equal(img.state, 'error');
    assert.equal(img.src, null);
  });

  it('leaves alone an image that left while another waits for the same picture', async () => {
    let response;
    answer = (request, given) => (response = given);
    const made = gate();
    const [one, two] = [1, 2].map(() => new Image(`${origin}/media/a/b.jpg`));
    for (const img of [one, two]) {
      made.attach(img);
      move(img, true);
    }
    await until(() => response);
    move(one, false);
    picture(response);
    await until(() => two.state === 'ready');
    assert.ok(one.isBlank);
    assert.equal(requests.length, 1);
  });

  it('does not call ready what left while it was decoded', async () => {
    let decoded;
    const img = new Image(`${origin}/media/a/b.jpg`);
    globalThis.Image = class extends Image {
      decode = () => new Promise((resolve) => (decoded = resolve));
    };
    gate().attach(img);
    move(img, true);
    await until(() => decoded);
    globalThis.Image = Image;
    move(img, false);
    decoded();
    await settled();
    assert.equal(img.state, 'loading');
  });

  it('fetches no more at once than it may', async () => {
    const open = [];
    answer = (request, response) => open.push(response);
    const made = gate({ concurrency: 1 });
    const images = ['one', 'two'].map((name) => new Image(`${origin}/media/a/${name}.jpg`));
    for (const img of images) {
      made.attach(img);
      move(img, true);
    }
    await until(() => requests.length === 1);
    answer = (request, response) => picture(response);
    await shown(gate(), `${origin}/media/a/elsewhere.jpg`); // time enough for a second request
    assert.deepEqual(requests.map(({ url }) => url.match(/(\w+)\.jpg/)[1]), ['one', 'elsewhere']);
    picture(open[0]);
    await until(() => images.every((img) => img.state === 'ready'));
    assert.equal(requests.length, 3);
  });

  it('renews a refused token once for all waiting images', async () => {
    const forced = [];
    const getToken = ({ force }) => (forced.push(force), force ? 'mga_2' : 'mga_1');
    answer = (request, response) => {
      if (request.headers.authorization === 'Bearer mga_2') picture(response);
      else response.writeHead(401).end();
    };
    const made = gate({ getToken });
    const sources = Array.from({ length: 20 }, (_, n) => `${origin}/media/a/${n}.jpg`);
    const images = await Promise.all(sources.map((src) => shown(made, src)));
    assert.ok(images.every((img) => img.state === 'ready'));
    assert.deepEqual(forced, [false, true]);
  });

  it('stops asking for tokens when a new one is refused as well', async () => {
    const forced = [];
    const statuses = [];
    answer = (request, response) => response.writeHead(401).end();
    const made = gate({
      getToken: ({ force }) => `mga_${forced.push(force)}`,
      onError: (error) => statuses.push(error.status),
    });
    const sources = Array.from({ length: 20 }, (_, n) => `${origin}/media/a/${n}.jpg`);
    const images = await Promise.all(sources.map((src) => shown(made, src)));
    assert.ok(images.every((img) => img.state === 'error' && img.src === null));
    assert.deepEqual(forced, [false, true]);
    assert.deepEqual(new Set(statuses), new Set([401]));
  });

  it('renews once for a picture that stays refused, though others are not', async () => {
    const forced = [];
    let refuse;
    answer = (request, response) => {
      if (!request.url.includes('bad')) return picture(response);
      refuse = () => response.writeHead(401).end();
      if (request.headers.authorization === 'Bearer mga_1') refuse();
    };
    const made = gate({ getToken: ({ force }) => `mga_${forced.push(force)}` });
    const bad = new Image(`${origin}/media/a/bad.jpg`);
    made.attach(bad);
    move(bad, true);
    await until(() => requests.length === 2);
    assert.equal((await shown(made, `${origin}/media/a/good.jpg`)).state, 'ready');
    refuse();
    await until(() => bad.state === 'error');
    assert.deepEqual(forced, [false, true]);
  });

  for (const status of [429, 503]) {
    it(`tries again after ${status}, as long as the server asks and no longer`, async () => {
      answer = (request, response) => {
        if (requests.length === 3) picture(response);
        else response.writeHead(status, { 'Retry-After': '0' }).end();
      };
      assert.equal((await shown(gate(), `${origin}/media/a/b.jpg`)).state, 'ready');
      answer = (request, response) => response.writeHead(status, { 'Retry-After': '0' }).end();
      requests = [];
      assert.equal((await shown(gate(), `${origin}/media/a/b.jpg`)).state, 'error');
      assert.equal(requests.length, 3);
    });
  }

  for (const retryAfter of ['31', '86400', 'Wed, 21 Oct 2099 07:28:00 GMT', 'soon']) {
    it(`does not wait for Retry-After: ${retryAfter}`, async () => {
      answer = (request, response) => response.writeHead(503, { 'Retry-After': retryAfter }).end();
      assert.equal((await shown(gate(), `${origin}/media/a/b.jpg`)).state, 'error');
      assert.equal(requests.length, 1);
    });
  }

  it('frees its place when an image leaves that waits for another try', async () => {
    answer = (request, response) => response.writeHead(503, { 'Retry-After': '30' }).end();
    const made = gate({ concurrency: 1 });
    const img = new Image(`${origin}/media/a/b.jpg`);
    made.attach(img);
    move(img, true);
    await until(() => requests.length === 1);
    await settled();
    move(img, false);
    answer = (request, response) => picture(response);
    assert.equal((await shown(made, `${origin}/media/a/c.jpg`)).state, 'ready');
  });

  const refusals = {
    'not found': (response) => response.writeHead(404).end(),
    'refused': (response) => response.writeHead(403).end(),
    'a page': (response) => picture(response, '<p>', { 'Content-Type': 'text/html' }),
    'a drawing with scripts': (response) =>
      picture(response, '<svg/>', { 'Content-Type': 'image/svg+xml' }),
    'a drawing in capitals': (response) =>
      picture(response, '<svg/>', { 'Content-Type': 'IMAGE/SVG+XML; charset=utf-8' }),
    'no type': (response) => response.writeHead(200).end('pixels'),
    'too many bytes': (response) => picture(response, 'x'.repeat(101)),
    'too many bytes, length untold': (response) => {
      response.writeHead(200, { 'Content-Type': 'image/webp' });
      response.write('x'.repeat(60));
      response.end('x'.repeat(60));
    },
    'a length that is too large': (response) => {
      response.writeHead(200, { 'Content-Type': 'image/webp', 'Content-Length': '101' });
      response.write('x');
    },
    'a cut connection': (response) => {
      response.writeHead(200, { 'Content-Type': 'image/webp', 'Content-Length': '100' });
      response.write('x', () => response.destroy());
    },
    'broken pixels': (response) => picture(response, 'broken'),
  };
  for (const [name, refuse] of Object.entries(refusals)) {
    it(`shows the alternative text for ${name}, and tries again on the next visit`, async () => {
      answer = (request, response) => refuse(response);
      const errors = [];
      const made = gate({ maxBytes: 100, onError: (error, img) => errors.push(img) });
      const img = await shown(made, `${origin}/media/a/b.jpg`);
      assert.equal(img.state, 'error');
      assert.equal(img.src, null);
      assert.equal(img.alt, 'a cat');
      assert.deepEqual(errors, [img]);
      if (name === 'broken pixels') return; // they stay what they are
      answer = (request, response) => picture(response);
      move(img, false);
      move(img, true);
      await until(() => img.state === 'ready');
    });
  }

  it('takes a picture of just the size it may have, its type in any case', async () => {
    const headers = { 'Content-Type': 'Image/WebP', 'Content-Length': '100' };
    answer = (request, response) => picture(response, 'x'.repeat(100), headers);
    const img = await shown(gate({ maxBytes: 100 }), `${origin}/media/a/b.jpg`);
    assert.equal(img.state, 'ready');
  });

  it('clears pictures, requests under way, the token, and what is to come', async () => {
    let closed = 0;
    const asked = [];
    const made = gate({ getToken: ({ force }) => `mga_${asked.push(force)}` });
    const ready = await shown(made, `${origin}/media/a/ready.jpg`);
    const { src } = ready;
    answer = (request, response) => response.on('close', () => (closed += 1));
    const loading = new Image(`${origin}/media/a/loading.jpg`);
    const later = new Image(`${origin}/media/a/later.jpg`);
    made.attach(loading);
    made.attach(later);
    move(loading, true);
    await until(() => requests.length === 2);
    made.clear();
    assert.equal(resolveObjectURL(src), undefined);
    assert.ok(ready.isBlank && loading.isBlank);
    await until(() => closed === 1);
    move(later, true);
    await settled();
    assert.equal(requests.length, 2);
    answer = (request, response) => picture(response);
    made.attach(ready);
    move(ready, true);
    await until(() => ready.state === 'ready');
    assert.equal(requests.at(-1).headers.authorization, 'Bearer mga_2');
    assert.deepEqual(asked, [false, false]);
  });

  it('lets nobody at the token', () => {
    const made = gate();
    assert.deepEqual(Object.keys(made), ['attach', 'clear']);
    assert.doesNotMatch(`${made.attach}${made.clear}`, /mga_/);
  });
});
