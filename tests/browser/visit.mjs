/**
 * Walks through the demo in a real browser and prints what it saw as one JSON object.
 *
 *   node visit.mjs chromium|firefox http://127.0.0.1:PORT/ [folder for screenshots]
 *
 * Every page error and console error of the visit is part of what it saw.
 */
import puppeteer from 'puppeteer-core';

const [, , name, base, shots] = process.argv;
const LAUNCH = {
  chromium: {
    browser: 'chrome',
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  },
  firefox: { browser: 'firefox', executablePath: '/usr/bin/firefox-esr' },
};

const browser = await puppeteer.launch({ headless: true, ...LAUNCH[name] });
const page = await browser.newPage();
await page.setViewport({ width: 1280, height: 1000 });
const seen = { errors: [] };
page.on('pageerror', (error) => seen.errors.push(String(error)));
page.on('console', (message) => {
  // A refused picture is the point of the demo; browsers report each as an error of its own.
  const refused = /status of 40[134]|\b40[134]\b/.test(message.text());
  if (message.type() === 'error' && !refused) seen.errors.push(message.text());
});

const shoot = (step) => shots && page.screenshot({ path: `${shots}/${name}-${step}.png`, fullPage: true });
const open = (path) => page.goto(new URL(path, base).href, { waitUntil: 'load' });
const until = (condition, ...more) => page.waitForFunction(condition, { timeout: 20_000 }, ...more);

/** Tiles by their answer, once every one of them has one. */
async function tiles() {
  await page.evaluate(async () => {
    for (let y = 0; y < document.body.scrollHeight; y += 300) {
      window.scrollTo(0, y);
      await new Promise((resolve) => { setTimeout(resolve, 30); });
    }
    window.scrollTo(0, 0);
  });
  await until(() => {
    const answers = [...document.querySelectorAll('.tile .answer')];
    return answers.length > 0 && answers.every((answer) => answer.textContent);
  });
  return page.$$eval('.tile', (nodes) => nodes.map((node) => !node.classList.contains('locked')));
}

async function signIn(label) {
  await until(() => document.querySelector('button.person'));
  const loaded = page.waitForNavigation({ waitUntil: 'load' });
  await page.evaluate((text) => {
    [...document.querySelectorAll('button.person')].find((b) => b.textContent.includes(text)).click();
  }, label);
  await loaded;
  await until(() => document.querySelector('.standing')?.textContent);
}

/** Each card of the ways in by its status, once every one has one. */
async function cards() {
  await until(() => {
    const pills = [...document.querySelectorAll('#ways .pill')];
    return pills.length > 0 && pills.every((pill) => pill.textContent !== '…' && pill.textContent);
  });
  return page.$$eval('#ways .card', (nodes) => Object.fromEntries(nodes.map((node) => [
    node.getAttribute('aria-label'), node.querySelector('.title .pill').textContent,
  ])));
}

await open('/');
seen.visitor = await tiles();
await shoot('visitor');

await signIn('Lindqvist');
seen.teacher = await tiles();
await shoot('teacher');

await open('/thread');
await until(() => document.querySelectorAll('#answers tr').length === 4);
seen.oldPage = await page.$$eval('#stored img', (images) => images.map((img) => img.naturalWidth > 0));
await shoot('thread');

await open('/ways');
seen.before = await cards();
await until(() => document.querySelectorAll('#large tbody tr').length === 3);
seen.large = await page.$$eval('#large tbody tr', (rows) => rows.map((row) => row.children[1].textContent));
await shoot('ways');
seen.outsiders = {};
for (const card of await page.$$('#ways .card')) {
  const way = await card.evaluate((node) => node.getAttribute('aria-label'));
  await card.evaluate((node) => node.querySelector('button').click());
  await until((node) => /gets/.test(node.querySelector('.told').textContent), card);
  seen.outsiders[way] = await card.evaluate((node) => node.querySelector('.told code').textContent);
}
await page.evaluate(() => document.querySelector('#revoke').click());
await until(() => /Revoked/.test(document.querySelector('#told').textContent));
await until(() => document.querySelector('#ways .pill.bad'));
await until(() => [...document.querySelectorAll('#ways .card')]
  .every((node) => /Open mount/.test(node.getAttribute('aria-label')) || node.querySelector('.title .pill.bad')));
seen.after = await cards();
await shoot('revoked');

await open('/');
await signIn('Okafor');
seen.other = await tiles();
await open('/media/-/view/photos/class-4b/brushes.jpg');
seen.viewerMember = await page.$eval('#picture', (img) => img.naturalWidth > 0);
await open('/media/-/view/photos/class-3a/dandelions.jpg');
await until(() => !document.querySelector('#refusal').hidden);
seen.viewerStranger = await page.$eval('#refusal', (node) => node.innerText);
await shoot('viewer');
await open('/media/photos/class-4b/brushes.jpg');
seen.pasted = new URL(page.url()).pathname;

await browser.close();
console.log(JSON.stringify(seen));
