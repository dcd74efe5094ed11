-- What a Debian install of Jitsi Meet needs for Vestibule. "meet.example.org" stands for your DOMAIN, here and in
-- /etc/prosody/conf.avail/DOMAIN.cfg.lua, where these lines go: each below the header under which it stands here.
-- Most headers are there already; a modules_enabled that is there keeps its names and gains those given here.

-- `vestibule init` writes these lines for you. The package puts the gate where Prosody always looks. `make install`
-- links it among Jitsi's own modules, in /usr/share/jitsi-meet/prosody-plugins: if Jitsi was installed after
-- Vestibule, run it again. When you are done: prosodyctl check config

-- In the global section, above the first VirtualHost. The component connects from this machine, and nobody else may:
-- the link is not encrypted.
component_ports = { 5347 }
component_interfaces = { "127.0.0.1" }

-- Prosody's own setting spends half of its processor time on collecting garbage. For Lua 5.4.
gc = { mode = "generational" }

-- The gate looks for the lobby here: both modules and both names have to be there.
VirtualHost "meet.example.org"
	modules_enabled = {
		"muc_lobby_rooms";
		"persistent_lobby"; -- without it a lobby ends with the last person inside, so nobody could wait for the first
	}
	main_muc = "conference.meet.example.org"
	lobby_muc = "lobby.meet.example.org"

-- The MUC service of the meetings. Without "vestibule_gate" here there is no policy at all.
--
-- One gate is enough: it finds the focus and the lobby by itself. None belongs into the others: people come to a lobby
-- room and to a breakout room through a room of this service, and internal.auth is for bridges and recorders.
--
-- Take these out of modules_enabled, here and elsewhere, for they decide what the policy decides:
--   muc_wait_for_host    admits everybody who waits as soon as anybody with a token or an account comes;
--                        say close.hold_until = ["moderator"], and moderators.assign without "opener": people wait as
--                        they do there, and then have the password or the lobby before them
--   muc_allowners        makes everybody a moderator; say moderators.assign
--   token_affiliation    makes owners and members by token, and demotes those made by hand; say moderators.assign and
--                        moderators.claim
--   modules that start, leave out or end the lobby, or set a password, by token or for all rooms (lobby_autostart,
--   token_lobby_bypass, token_security_ondemand and their like); say lobby, access and password
-- `vestibule doctor` names every one that is loaded, and those that act in meetings over HTTP (docs/jitsi-modules.md).
--
-- Jicofo stays as it is: with jicofo.conference.enable-auto-owner it goes on making the first who comes a moderator,
-- and the gate refuses that unless the policy agrees.
Component "conference.meet.example.org" "muc"
	modules_enabled = { "vestibule_gate" }
	vestibule_component = "vestibule.meet.example.org"
	-- Who must get in before the component has spoken for the first time.
	vestibule_trusted = { "focus@auth.meet.example.org" }

	-- The lobby keeps its room when nobody is inside. Ended for all, such a room would be barred for a month.
	muc_tombstones = false

	muc_room_cache_size = 10000 -- with Prosody's 100, the 101st room slows all down

	-- The gate's other options, each with its default:
	-- vestibule_timeout = 5    -- seconds that one question may take
	-- vestibule_grace = 5      -- seconds that a join waits while the component is away; the focus leaves after 15
	-- vestibule_on_unavailable = "refuse"    -- after that; "allow" lets everybody in

-- The lobby. The package configures it already, with modules of its own (muc_hide_all, muc_rate_limit): they stay.
Component "lobby.meet.example.org" "muc"
	storage = "memory"
	restrict_room_creation = true
	muc_room_locking = false
	muc_room_default_public_jids = true

-- The component. It connects to the port above.
Component "vestibule.meet.example.org"
	component_secret = "replace with a long random secret"

	-- Your decision: with "kick_old" a second component with the same secret takes over, which a hot standby needs.
	-- Without it ("kick_new") the first one keeps the link.
	component_conflict_resolve = "kick_old"
