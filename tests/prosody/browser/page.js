/* One participant: what Jitsi Meet's web client does with lib-jitsi-meet, as commands of
 * `window.person`. Every event goes out through `window.report(event, ...params)`, which
 * the driver provides, and onto the page, for screenshots. */
/* global JitsiMeetJS */
'use strict';

(() => {
	const MUTE = { p2p: { enabled: false }, disableAudioLevels: true, disableThirdPartyRequests: true };

	const ARRIVAL = 3000; // ms

	let connection = null;
	let conference = null;
	const knocking = new Set();

	/** What survives JSON: participants become { id, name, role }, stanzas their XML. */
	function plain(value) {
		if (value instanceof Error) {
			return { name: value.name, message: value.message };
		}
		if (value instanceof Element) {
			return value.outerHTML;
		}
		if (typeof value?.getDisplayName === 'function') {
			return { id: value.getId(), name: value.getDisplayName(), role: value.getRole() };
		}
		try {
			return JSON.parse(JSON.stringify(value ?? null));
		} catch {
			return String(value);
		}
	}

	function tell(event, ...params) {
		const told = params.map(plain);
		document.getElementById('story').append(`${event} ${JSON.stringify(told)}\n`);
		window.report(event, told);
	}

	function tellAll(source, events) {
		for (const event of new Set(Object.values(events))) {
			source.addEventListener(event, (...params) => tell(event, ...params));
		}
	}

	/** Shows the stanzas too, as "sent" and "received". */
	function tap(strophe) {
		for (const [hook, event] of [['rawOutput', 'sent'], ['rawInput', 'received']]) {
			const original = strophe[hook];
			strophe[hook] = xml => {
				tell(event, xml);
				original.call(strophe, xml);
			};
		}
	}

	function present() {
		if (!conference?.isJoined()) {
			throw new Error('not in a room');
		}
		return conference;
	}

	/** `id`, as soon as this page has seen its participant: whoever has just entered is told so
	 * before the others are. */
	async function participant(id) {
		for (const start = performance.now(); !present().getParticipantById(id);) {
			if (performance.now() - start > ARRIVAL) {
				throw new Error(`nobody in the room is ${id}`);
			}
			await new Promise(resolve => setTimeout(resolve, 20));
		}
		return id;
	}

	function knocker(id) {
		present();
		if (!knocking.has(id)) {
			throw new Error(`nobody in the lobby is ${id}`);
		}
		return id;
	}

	function enterable(room, options) {
		// As long as the library knows the room, a further attempt is the same conference's.
		if (conference && conference.options.name === room && connection.xmpp.isRoomCreated(room)) {
			return conference;
		}
		knocking.clear();
		conference = connection.initJitsiConference(room, { ...MUTE, ...options });
		tellAll(conference, JitsiMeetJS.events.conference);
		conference.addEventListener('conference.lobby.userJoined', id => knocking.add(id));
		conference.addEventListener('conference.lobby.userLeft', id => knocking.delete(id));
		return conference;
	}

	window.person = {
		/** `options` as JitsiConnection takes them; resolves to the JID that the server gave. */
		connect({ options, jid, password, token }) {
			const { CONNECTION_ESTABLISHED, CONNECTION_FAILED } = JitsiMeetJS.events.connection;
			const made = new JitsiMeetJS.JitsiConnection(null, token, options);
			connection = made;
			tap(made.xmpp.connection._stropheConn);
			tellAll(made, JitsiMeetJS.events.connection);
			return new Promise((resolve, reject) => {
				made.addEventListener(CONNECTION_ESTABLISHED, () => resolve(made.getJid()));
				made.addEventListener(CONNECTION_FAILED, (error, text) => reject(new Error(`${error} ${text ?? ''}`)));
				made.connect({ id: jid, password });
			});
		},

		disconnect: () => connection.disconnect(),

		/** Asks to enter `room`, a name without its service; the answer is an event. */
		join({ room, password, displayName, options }) {
			const entered = enterable(room, options);
			if (displayName) {
				entered.setDisplayName(displayName);
			}
			entered.join(password);
		},

		leave: () => conference.leave(),

		/** Sets the room's password, or removes it when there is none. */
		lock: ({ password }) => present().lock(password),

		/** Switches the lobby; off, the library does not tell whether it worked. */
		lobby: ({ on }) => (on ? present().enableLobby() : present().disableLobby()),

		knock: ({ displayName }) => conference.joinLobby(displayName),
		approve: ({ id }) => conference.lobbyApproveAccess(knocker(id)),
		deny: ({ id }) => conference.lobbyDenyAccess(knocker(id)),
		kick: async ({ id, reason }) => present().kickParticipant(await participant(id), reason),
		grant: async ({ id }) => present().grantOwner(await participant(id)),
		breakout: ({ text }) => present().getBreakoutRooms().createBreakoutRoom(text),
		subject: ({ text }) => present().setSubject(text),
		say: ({ text }) => present().sendTextMessage(text),
		whisper: async ({ id, text }) => present().sendPrivateTextMessage(await participant(id), text),

		/** Calls a method of the conference (JitsiConference.js). */
		conference: ({ method, params }) => void present()[method](...params),

		/** What the page knows: the conference if there is one, and what the library keeps. */
		state: () => ({
			jid: connection?.getJid() ?? null,
			joined: Boolean(conference?.isJoined()),
			id: conference?.myUserId() ?? null,
			moderator: Boolean(conference?.isModerator()),
			locked: Boolean(conference?.room?.locked),
			membersOnly: Boolean(conference?.isMembersOnly()),
			lobbySupported: Boolean(conference?.isLobbySupported()),
			participants: (conference?.getParticipants() ?? []).map(plain),
			knocking: [...knocking],
			storage: { ...localStorage },
		}),
	};

	// Leaving a page over BOSH the library puts `https:` before any address that has no such
	// scheme, so that on plain HTTP its good-bye would go nowhere.
	const sendBeacon = navigator.sendBeacon.bind(navigator);
	navigator.sendBeacon = (address, body) => sendBeacon(address.replace(/^https:(?=http:)/, ''), body);

	JitsiMeetJS.setLogLevel(JitsiMeetJS.logLevels.WARN);
	JitsiMeetJS.init({ disableAudioLevels: true, disableThirdPartyRequests: true });
})();
