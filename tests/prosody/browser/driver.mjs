// Chromium for the tests: `node driver.mjs FOLDER EXECUTABLE`, FOLDER holding node_modules
// and the library's bundle. One JSON object a line: commands in, replies and events out.
//   in   {"call": 1, "client": "alice", "command": "join", "with": {...}, "seconds": 15}
//   out  {"call": 1, "value": ...}   or   {"call": 1, "error": "why"}
//        {"client": "alice", "event": "conference.joined", "params": [...]}
// open, reload, screenshot, crash and close are done here, anything else by the client's page.
// Each client is a browser context of its own, so it has its own storage, unless it is opened
// `beside` another: then it is one more tab there. Ends with its input.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [folder, executablePath] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/`)('playwright-core');

const FLAGS = [
	'--disable-gpu',
	'--disable-quic',
	'--no-first-run',
	'--disable-background-networking',
	'--disable-component-update',
	'--disable-sync',
	// Nothing but this machine is ever asked for.
	'--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1',
];

const FILES = {
	'/': [new URL('page.html', import.meta.url), 'text/html'],
	'/page.js': [new URL('page.js', import.meta.url), 'text/javascript'],
	'/lib-jitsi-meet.min.js': [`${folder}/lib-jitsi-meet.min.js`, 'text/javascript'],
};

const clients = new Map();

function say(line) {
	process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function serve() {
	const server = createServer(async (request, response) => {
		const [file, type] = FILES[request.url] ?? [];
		response.writeHead(file ? 200 : 404, { 'Content-Type': type ?? 'text/plain' });
		response.end(file && await readFile(file));
	});
	await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
	return `http://localhost:${server.address().port}/`;
}

async function open(name, { beside } = {}) {
	if (clients.has(name)) {
		throw new Error(`${name} is open already`);
	}
	const context = beside ? clients.get(beside).context : await storage();
	const client = { context, tell: (event, ...params) => say({ client: name, event, params }) };
	clients.set(name, client);
	client.page = await tab(client);
	await client.page.goto(address);
}

/** A context, whose pages report for their clients. */
async function storage() {
	const context = await browser.newContext();
	await context.exposeBinding('report', ({ page }, event, params) => {
		const client = [...clients.values()].find(each => each.page === page);
		client?.tell(event, ...params);
	});
	return context;
}

/** An empty page of a client. */
async function tab({ context, tell }) {
	const page = await context.newPage();
	page.on('console', message => tell('console', message.type(), message.text()));
	page.on('pageerror', error => tell('console', 'uncaught', String(error)));
	page.on('crash', () => tell('crash'));
	return page;
}

async function close(name) {
	const { context, page } = clients.get(name);
	clients.delete(name);
	// A page that is closed says good-bye; one whose context goes first may not.
	await page?.close();
	if (!context.pages().length) {
		await context.close();
	}
}

/** Ends the page's process: no good-bye, and nobody closes its connection in good order. */
async function crash(client) {
	const session = await client.context.newCDPSession(client.page);
	const crashed = client.page.waitForEvent('crash');
	session.send('Page.crash').catch(() => {});
	await crashed;
	await client.page.close();
	client.page = await tab(client);
}

/** Has the page perform `command`; what the library rejects with may be a stanza, or nothing. */
async function ask(page, command, given) {
	const { value, error } = await page.evaluate(async ([name, args]) => {
		try {
			return { value: await window.person[name](args) };
		} catch (why) {
			return { error: why?.message ?? why?.outerHTML ?? String(why ?? 'refused') };
		}
	}, [command, given ?? {}]);
	if (error !== undefined) {
		throw new Error(error);
	}
	return value;
}

function perform({ client, command, with: given }) {
	if (command === 'open') {
		return open(client, given);
	}
	if (!clients.has(client)) {
		throw new Error(`${client} is not open`);
	}
	const { page } = clients.get(client);
	if (!page) {
		throw new Error(`${client} is still being opened`);
	}
	switch (command) {
	case 'close':
		return close(client);
	case 'reload':
		return page.goto(address).then(() => null);
	case 'crash':
		return crash(clients.get(client));
	case 'screenshot':
		return page.screenshot({ path: given.path }).then(() => null);
	default:
		return ask(page, command, given);
	}
}

/** Answers every command, whatever becomes of it. */
async function answer({ call, seconds = 15, ...request }) {
	let timer;
	const limit = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`no end within ${seconds} s`)), seconds * 1000);
	});
	try {
		const value = await Promise.race([Promise.resolve().then(() => perform(request)), limit]);
		say({ call, value: value ?? null });
	} catch (error) {
		say({ call, error: error.message });
	} finally {
		clearTimeout(timer);
	}
}

const address = await serve();
const browser = await chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: false });
browser.on('disconnected', () => process.exit(1));
say({ ready: browser.version() });

for await (const line of createInterface({ input: process.stdin })) {
	answer(JSON.parse(line));
}
// Playwright ends Chromium with this process.
process.exit(0);
