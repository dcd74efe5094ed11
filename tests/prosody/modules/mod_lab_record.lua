-- Loaded beside the gate by tests: has a room remember the texts that it is given, of itself or of a person.

local muc, st = module:depends("muc"), require "util.stanza";

module:hook("iq-set/host/urn:lab:record", function (event)
	local asked = event.stanza.tags[1];
	local data = muc.get_room_from_jid(asked.attr.room)._data.vestibule;
	if asked.attr.person then
		data.people[asked.attr.person].text = asked:get_text();
	else
		data.record, data.revision = asked:get_text(), data.revision + 1;
	end
	event.origin.send(st.reply(event.stanza));
	return true;
end);
