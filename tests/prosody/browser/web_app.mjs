// A web server in front of Prosody for a build of jitsi-meet: `node web_app.mjs FOLDER PORT`, FOLDER holding its index.html,
// config.js, css and libs, PORT being Prosody's HTTP port. Prints its own port; ends with its input.
// As in Jitsi's nginx file, a path with no file is a room, config.js names the hosts, and /http-bind and /xmpp-websocket
// lead to Prosody with the address that the client comes from. A host name like a-192-0-2-7.localhost stands for 192.0.2.7.
// /static/embedding.html is a page that has a meeting in it by the IFrame API.
import { readFile } from 'node:fs/promises';
import { createServer, request as ask } from 'node:http';
import { connect } from 'node:net';
import { extname, join, normalize } from 'node:path';

const [folder, port] = process.argv.slice(2);
const DOMAIN = 'meet.localhost';
const TYPES = {
	'.css': 'text/css', '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json', '.mp3': 'audio/mpeg',
	'.opus': 'audio/ogg', '.png': 'image/png', '.svg': 'image/svg+xml', '.wasm': 'application/wasm', '.woff2': 'font/woff2',
};
const EMBEDDING = '/static/embedding.html';
const PROXIED = ['/http-bind', '/xmpp-websocket'];

/** What an installation writes into its config.js. */
const config = host => `
config.hosts = { domain: '${DOMAIN}', muc: 'conference.${DOMAIN}', focus: 'focus.${DOMAIN}' };
config.bosh = 'http://${host}/http-bind';
config.websocket = 'ws://${host}/xmpp-websocket';
config.focusUserJid = 'focus@auth.${DOMAIN}';
config.analytics = { disabled: true };
config.disableThirdPartyRequests = true;
config.p2p = { enabled: false };
`;

function addressOf(host) {
	return host.match(/^[a-z]+-(\d+-\d+-\d+-\d+)\./)?.[1].replaceAll('-', '.') ?? '192.0.2.1';
}

async function part(name, host) {
	if (name === 'base.html') {
		return '<base href="/">';
	}
	const text = await readFile(join(folder, name), 'utf8').catch(() => '');
	return name === 'config.js' ? text + config(host) : text;
}

/** The page, with its server-side includes; config.js is one of them. */
async function page(host) {
	const parts = (await readFile(join(folder, 'index.html'), 'utf8')).split(/<!--#include virtual="\/?([^"]+)"\s*-->/);
	for (let i = 1; i < parts.length; i += 2) {
		parts[i] = await part(parts[i], host);
	}
	return parts.join('');
}

async function file(path, host) {
	const type = TYPES[extname(path)];
	if (path === EMBEDDING) {
		return [await readFile(new URL('embedding.html', import.meta.url)), type];
	}
	const isRoom = !type || path === '/index.html';
	return isRoom ? [await page(host), TYPES['.html']] : [await readFile(join(folder, path)), type];
}

const server = createServer(async (request, response) => {
	const path = normalize(decodeURIComponent(request.url.split('?')[0]));
	const host = request.headers.host;
	if (PROXIED.includes(path)) {
		const headers = { ...request.headers, 'x-forwarded-for': addressOf(host) };
		const onward = ask({ host: '127.0.0.1', port, path: request.url, method: request.method, headers }, answer => {
			response.writeHead(answer.statusCode, answer.headers);
			answer.pipe(response);
		});
		onward.on('error', () => response.writeHead(502).end());
		request.pipe(onward);
		return;
	}
	try {
		const [body, type] = await file(path, host);
		response.writeHead(200, { 'Content-Type': type }).end(body);
	} catch {
		response.writeHead(404).end();
	}
});

server.on('upgrade', (request, socket, head) => {
	const onward = connect(Number(port), '127.0.0.1', () => {
		const headers = { ...request.headers, 'x-forwarded-for': addressOf(request.headers.host) };
		const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
		onward.write([`GET ${request.url} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
		onward.write(head);
		socket.pipe(onward).pipe(socket);
	});
	for (const [one, other] of [[socket, onward], [onward, socket]]) {
		one.on('error', () => other.destroy());
		one.on('close', () => other.destroy());
	}
});

await new Promise(resolve => { server.listen(0, '127.0.0.1', resolve); });
process.stdout.write(`${server.address().port}\n`);
process.stdin.on('end', () => process.exit(0)).resume();
