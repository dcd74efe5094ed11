-- Loaded beside the gate by tests: writes down what a room was like at the moment when somebody came in.

module:hook("muc-occupant-session-new", function (event)
	local room, password = event.room, event.room:get_password();
	module:log("info", "witness: %s entered with password=%s hidden=%s members-only=%s affiliation=%s",
		event.occupant.nick, password ~= nil, room:get_hidden() == true, room:get_members_only() == true,
		room:get_affiliation(event.occupant.bare_jid) or "none");
end, 1000);

module:hook("muc-room-created", function (event)
	module:log("info", "witness: %s created", event.room.jid);
end, 1000);
