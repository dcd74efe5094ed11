// Chromium for the tests of the component's page: `node page_driver.mjs FOLDER EXECUTABLE`, FOLDER holding
// node_modules. One JSON object a line: {"call": 1, "page": "anna", "command": "click", "with": {...}} in,
// {"call": 1, "value": ...} or {"call": 1, "error": "why"} out. Ends with its input.
// Each page is a browser context of its own. What it must never do is kept: `problems` tells.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [folder, executablePath] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const { chromium } = require('playwright-core');
const axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');

const FLAGS = [
	'--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
	'--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
	'--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1',
];
// Less than the caller's patience, so that it hears why.
const PATIENCE = 8000;

const pages = new Map();
const say = line => process.stdout.write(`${JSON.stringify(line)}\n`);

const COMMANDS = {
	async open(name, { url, width = 1280, height = 800, patience = PATIENCE, elsewhere = false, ...looks }) {
		const context = await browser.newContext({ viewport: { width, height }, reducedMotion: 'reduce', acceptDownloads: true, ...looks });
		const page = await context.newPage();
		page.setDefaultTimeout(patience);
		const problems = [];
		pages.set(name, { page, context, problems });
		const home = new URL(url).host;
		page.on('console', message => {
			// A refused or lost connection is what some tests are about, and what another site's page is denied.
			const expected = elsewhere ? /Failed to load resource|net::ERR|by CORS policy/ : /Failed to load resource|net::ERR/;
			if (message.type() === 'error' && !expected.test(message.text())) problems.push(message.text());
		});
		page.on('pageerror', error => problems.push(error.stack));
		page.on('request', request => {
			const { host, protocol } = new URL(request.url());
			if (!elsewhere && host !== home && !['blob:', 'data:'].includes(protocol)) problems.push(`asked ${request.url()}`);
		});
		await page.exposeBinding('violated', (_, what) => problems.push(`against the policy: ${what}`));
		await page.addInitScript(() => addEventListener('securitypolicyviolation', event => window.violated(`${event.violatedDirective} ${event.blockedURI}`)));
		await page.goto(url);
	},
	async close(name) {
		const { context } = pages.get(name);
		pages.delete(name);
		await context.close();
	},
	goto: ({ page }, { url }) => page.goto(url).then(() => null),
	reload: ({ page }) => page.reload().then(() => null),
	click: ({ page }, { selector }) => page.click(selector),
	async hold({ page }, { selector }) { await page.hover(selector); await page.mouse.down(); },
	release: ({ page }) => page.mouse.up(),
	fill: ({ page }, { selector, text }) => page.fill(selector, text),
	select: ({ page }, { selector, value }) => page.selectOption(selector, value),
	press: async ({ page }, { keys }) => { for (const key of keys) await page.keyboard.press(key); },
	type: ({ page }, { text }) => page.keyboard.type(text),
	wheel: ({ page }, { y }) => page.mouse.wheel(0, y),
	read: ({ page }, { expression }) => page.evaluate(expression),
	/** Playwright's own way to wait has the page evaluate text, which its policy forbids. */
	async until({ page }, { expression, seconds }) {
		const deadline = Date.now() + seconds * 1000;
		for (;;) {
			const value = await page.evaluate(expression);
			if (value) return value === true || typeof value === 'object' ? true : value;
			if (Date.now() > deadline) throw new Error(`never: ${expression}`);
			await new Promise(resolve => { setTimeout(resolve, 30); });
		}
	},
	screenshot: ({ page }, { path }) => page.screenshot({ path }).then(() => null),
	media: ({ page }, media) => page.emulateMedia(media),
	size: ({ page }, size) => page.setViewportSize(size),
	problems: ({ problems }) => problems,
	async download({ page }, { selector }) {
		const [download] = await Promise.all([page.waitForEvent('download'), page.click(selector)]);
		return readFile(await download.path(), 'utf8');
	},
	/** What axe-core finds against WCAG 2.2 AA and its best practices. */
	async axe({ page }) {
		await page.evaluate(axe);
		return page.evaluate(async () => {
			const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
			return violations.flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.target.join(' ')}: ${node.failureSummary}`));
		});
	},
};

async function answer({ call, page: name, command, with: given = {} }) {
	try {
		const target = command === 'open' || command === 'close' ? name : pages.get(name);
		say({ call, value: (await COMMANDS[command](target, given)) ?? null });
	} catch (error) {
		say({ call, error: error.message });
	}
}

const browser = await chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: false });
browser.on('disconnected', () => process.exit(1));
say({ ready: browser.version() });
for await (const line of createInterface({ input: process.stdin })) answer(JSON.parse(line));
process.exit(0);
