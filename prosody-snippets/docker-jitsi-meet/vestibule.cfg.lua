-- Put this into ${CONFIG}/prosody/config/conf.d: Prosody's container reads that folder when it starts, after its own
-- settings. "meet.jitsi" is the name that docker-jitsi-meet gives to a server of which XMPP_DOMAIN says nothing else.
--
-- It is a file because the image's variables cannot say it: XMPP_MUC_CONFIGURATION is split at every comma.

-- The image sets component_ports = { }, which is none.
component_ports = { 5347 }
component_interfaces = { "127.0.0.1" }

-- Options of the gate, which XMPP_MUC_MODULES loads. Given here for all hosts, read by the host that has the gate.
vestibule_component = "vestibule.meet.jitsi"
vestibule_trusted = { "focus@auth.meet.jitsi" } -- gets in before the component has spoken, too

Component "vestibule.meet.jitsi"
	component_secret = ENV_VESTIBULE_COMPONENT_SECRET
	component_conflict_resolve = "kick_old"
