-- What Prosody needs for Vestibule. Paste it, all but its first line, at the end of prosody.cfg.lua and change the
-- names and the secret; "conference.localhost" stands for your MUC service. Where that has a Component line already,
-- its options go below it, and the gate's name into the modules_enabled that is there: a second modules_enabled
-- replaces the first.
-- Then: prosodyctl check config
--
-- The package puts the gate where Prosody always looks; `make install` into /usr/local/lib/prosody/modules, which is in
-- Debian's plugin_paths. `vestibule init` writes these lines for you.

-- In the global section, above the first VirtualHost or Component. Prosody's own setting spends half of its processor
-- time on collecting garbage. For Lua 5.4; with an older one, Prosody reports an error and keeps its own setting.
gc = { mode = "generational" }

-- The MUC service. Without "vestibule_gate" here it is a plain MUC: no policy at all.
Component "conference.localhost" "muc"
	modules_enabled = { "vestibule_gate" }
	vestibule_component = "vestibule.localhost"
	muc_room_cache_size = 10000    -- with Prosody's 100, the 101st room slows all down

	-- The gate's other options, each with its default:
	-- vestibule_timeout = 5    -- seconds that one question may take
	-- vestibule_grace = 5      -- seconds that a join waits while the component is away
	-- vestibule_on_unavailable = "refuse"    -- after that; "allow" lets everybody in
	-- vestibule_trusted = { }  -- exact bare JIDs of services (focus, bridge) that must get
	--                             in before the component has spoken for the first time
	-- vestibule_also = { }     -- namespaces of other modules' requests to rooms; `vestibule doctor` names
	--                             those that it knows

-- The component. It connects to port 5347 on the loopback interface, Prosody's default.
Component "vestibule.localhost"
	component_secret = "replace with a long random secret"

	-- Your decision: "kick_old" lets a second component with the same secret take over,
	-- which a hot standby needs. By default ("kick_new") the first one keeps the link.
	-- component_conflict_resolve = "kick_old"
