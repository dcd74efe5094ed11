// An OpenID Connect provider for the tests of the page: `node provider.mjs FOLDER OPTIONS`, FOLDER holding node_modules.
// OPTIONS is JSON: `port` (0: any), `client` (client_id, client_secret, redirect_uris), `people` (claims by account). It
// prints its port. People sign in with their account's name alone. `POST /twist?as=…` has it sign differently from then on.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { webcrypto } from 'node:crypto';
import { pathToFileURL } from 'node:url';

globalThis.crypto ??= webcrypto;
const [folder, options] = process.argv.slice(2);
const { port: wanted, client, people } = JSON.parse(options);
const require = createRequire(`${folder}/`);
const load = name => import(pathToFileURL(require.resolve(name)));
const { Provider } = await load('oidc-provider');
const jose = await load('jose');

const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true });
const key = { ...await jose.exportJWK(privateKey), kid: 'mine', alg: 'RS256', use: 'sig' };
const other = (await jose.generateKeyPair('RS256')).privateKey;

const server = createServer();
await new Promise(resolve => { server.listen(wanted, '127.0.0.1', resolve); });
const { port } = server.address();

const provider = new Provider(`http://127.0.0.1:${port}`, {
	clients: [{ grant_types: ['authorization_code'], response_types: ['code'], ...client }],
	jwks: { keys: [key] },
	cookies: { keys: ['a key of this test'] },
	// What is asked for stands in the ID token.
	conformIdTokenClaims: false,
	claims: { openid: ['sub', 'groups'], email: ['email', 'email_verified'], profile: ['preferred_username'] },
	features: { devInteractions: { enabled: false } },
	pkce: { required: () => true },
	findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
	interactions: { url: (_, { uid }) => `/interaction/${uid}` },
	ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 3600, IdToken: 60, Interaction: 600, Session: 3600 },
	async loadExistingGrant({ oidc }) {
		const grant = new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
		grant.addOIDCScope('openid email profile');
		await grant.save();
		return grant;
	},
});

const now = () => Math.floor(Date.now() / 1000);
const signed = (claims, by = privateKey, alg = 'RS256') => new jose.SignJWT(claims).setProtectedHeader({ alg, kid: 'mine' }).sign(by);
const encoded = value => Buffer.from(JSON.stringify(value)).toString('base64url');
/** What a provider, or anyone between, could send instead of the right ID token. */
const TWISTS = {
	none: claims => `${encoded({ alg: 'none' })}.${encoded(claims)}.`,
	changed: (claims, token) => token.split('.').map((part, at) => (at === 1 ? encoded({ ...claims, sub: 'anna' }) : part)).join('.'),
	foreign: claims => signed(claims, other),
	shared: claims => signed(claims, new TextEncoder().encode(client.client_secret), 'HS256'),
	audience: claims => signed({ ...claims, aud: 'another' }),
	issuer: claims => signed({ ...claims, iss: 'http://127.0.0.1:1' }),
	expired: claims => signed({ ...claims, iat: now() - 7200, exp: now() - 3600 }),
	nonce: claims => signed({ ...claims, nonce: 'of another sign-in' }),
	without: claims => signed({ ...claims, nonce: undefined }),
	party: claims => signed({ ...claims, azp: 'another' }),
	later: claims => signed({ ...claims, nbf: now() + 3600 }),
	made: claims => signed({ ...claims, iat: now() + 3600, exp: now() + 7200 }),
	slow: (_, token) => token,
};
let twist = null;
provider.use(async (context, next) => {
	if (context.path === '/token' && twist === TWISTS.slow) await new Promise(resolve => { setTimeout(resolve, 1000); });
	await next();
	if (context.path === '/token' && twist && context.body?.id_token) {
		const token = context.body.id_token;
		context.body = { ...context.body, id_token: await twist(jose.decodeJwt(token), token) };
	}
});

const answer = provider.callback();
server.on('request', async (request, response) => {
	const { pathname, searchParams } = new URL(request.url, 'http://here');
	if (pathname === '/twist') {
		twist = TWISTS[searchParams.get('as')] ?? null;
		response.end();
	} else if (pathname.startsWith('/interaction/') && request.method === 'GET') {
		response.setHeader('Content-Type', 'text/html');
		response.end('<!doctype html><title>Provider</title><form method=post><input name=login id=login><button>Continue</button></form>');
	} else if (pathname.startsWith('/interaction/')) {
		let body = '';
		for await (const chunk of request) body += chunk;
		const accountId = new URLSearchParams(body).get('login');
		const result = people[accountId] ? { login: { accountId } } : { error: 'access_denied' };
		await provider.interactionFinished(request, response, result);
	} else {
		answer(request, response);
	}
});
process.stdout.write(`${port}\n`);
process.stdin.resume().on('end', () => process.exit(0));
