// A person at a browser who says yes: opens an address of the authorization
// server, logs in, agrees, and prints the title and the text of the page where
// that ends, as one line of JSON. With a second argument it types that code at
// a device's page; with --deny first it says no where it is asked to agree.
// Ends within a minute, and with 1 on trouble.

import { createRequire } from 'node:module';

// `import` does not look at NODE_PATH.
const { chromium } = createRequire(import.meta.url)('playwright-core');

const words = process.argv.slice(2);
const denies = words[0] === '--deny' && Boolean(words.shift());
const [address, userCode] = words;

const PATIENCE = 50_000;
const deadline = Date.now() + PATIENCE;
// Whatever hangs, even the start or the end of the browser.
setTimeout(() => trouble('it took too long'), PATIENCE + 8_000).unref();

function trouble(what) {
  process.stderr.write(`browser: ${what}\n`);
  process.exit(1);
}

if (!address) trouble('usage: browser.mjs [--deny] URL [USER_CODE]');
const home = new URL(address).origin;

/** Does what the page asks for; true where it is the last one. */
async function answer(page) {
  const shown = await page.evaluate(() => {
    const has = (selector) => document.querySelector(selector) !== null;
    // The same page must not be answered twice while the next one loads.
    // While it does, there may be nothing in the window at all.
    const root = document.documentElement;
    const isAnswered = root?.dataset.answered === 'yes';
    return {
      isReady: root !== null && document.readyState === 'complete' && !isAnswered,
      origin: location.origin,
      title: document.title,
      text: document.body?.innerText ?? '',
      asks: has('input[name=login]') ? 'login'
        : has('input[name=prompt][value=consent]') ? 'consent'
          : has('form[id="op.deviceConfirmForm"]') ? 'device'
            : has('form[id="op.deviceInputForm"]') ? 'code' : null,
    };
  });
  if (!shown.isReady) return false;
  if (shown.origin === 'null' || /^chrome/.test(shown.origin)) {
    throw new Error(`the page cannot be shown: ${shown.text.slice(0, 300)}`);
  }
  if (shown.origin !== home) return true;
  if (shown.asks === null) {
    if (/success/i.test(shown.title)) return true;
    if (/oops|error|abort|cancel/i.test(shown.title + shown.text)) {
      if (denies) return true;
      throw new Error(`${shown.title}: ${shown.text.slice(0, 300)}`);
    }
    return false; // a page that sends itself on
  }
  if (shown.asks === 'login') {
    await page.fill('input[name=login]', 'fake-person');
    await page.fill('input[name=password]', 'fake-password');
  }
  if (shown.asks === 'code') {
    if (!userCode) throw new Error('a device code is asked for, and none was given');
    await page.fill('input[name=user_code]', userCode);
  }
  const says = denies && shown.asks === 'consent' ? 'a[href$="/abort"]' : 'button[type=submit]';
  const isThere = await page.evaluate(() => {
    const root = document.documentElement;
    if (root) root.dataset.answered = 'yes';
    return root !== null;
  });
  if (!isThere) return false;
  await page.locator(says).first().click({ noWaitAfter: true, timeout: 10_000 });
  return false;
}

const browser = await chromium.launch({
  executablePath: process.env.PEER_CHROMIUM || '/usr/bin/chromium',
  headless: true,
  timeout: PATIENCE,
  args: [
    '--no-sandbox', // the machine that runs the tests may know root only
    '--disable-gpu',
    '--disable-dev-shm-usage', // small in containers
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    // The world is this machine.
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
  ],
});
try {
  const page = await browser.newPage();
  // The test pages want a font from elsewhere.
  await page.route(
    (url) => !['127.0.0.1', 'localhost'].includes(url.hostname),
    (route) => route.abort(),
  );
  await page.goto(address, { timeout: 20_000 });
  for (;;) {
    let isOver = false;
    try {
      isOver = await answer(page);
    } catch (error) {
      // The page went while it was being looked at.
      if (!/context was destroyed|navigat|detached/i.test(error.message)) throw error;
    }
    if (isOver) break;
    if (Date.now() > deadline) {
      throw new Error(`it ends at "${await page.title()}": ${(await page.innerText('body')).slice(0, 300)}`);
    }
    await new Promise((next) => setTimeout(next, 50));
  }
  const title = await page.title();
  const text = await page.innerText('body');
  process.stdout.write(`${JSON.stringify({ title, text })}\n`);
} catch (error) {
  process.stderr.write(`browser: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
