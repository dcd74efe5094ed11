-- Those inside, and owners, ask for what they want: each change is a question. What is asked, and what goes on into the
-- room when it is allowed, is what `requests` has read of the stanza.

local jid_bare = require "util.jid".bare;

return function (gate)
	local changes, mark = {}, gate.mark;

	-- For handlers that need the room, and see each stanza once but not its replay.
	function changes.guard_room(event_name, priority, handler)
		gate.guard(event_name, priority, function (event)
			if event.stanza[mark] then return; end
			local room = gate.get_room(jid_bare(event.stanza.attr.to));
			if room and not room._data.destroyed then return handler(event, room, event.stanza.tags[1]); end
		end);
	end

	-- Refuses what cannot be read; `name`: of the field, attribute or element that is wrong, `label`: what people call it.
	function changes.refuse_value(event, name, label)
		name = gate.text.cut(name, gate.LIMIT.name);
		local text, language = gate.words.of("gate-value", event.stanza);
		text = text:gsub("{field}", function () return label and label .. " (" .. name .. ")" or name; end);
		return gate.refuse(event, "malformed", "modify", "not-acceptable", text, language);
	end

	-- What the room remembers of those whom a question names.
	function changes.write_others(room, others)
		local data, written_of = gate.kept.of(room) or { people = {} }, {};
		for _, address in ipairs(others) do
			local bare = jid_bare(address);
			if data.people[bare] and not written_of[bare] then
				written_of[bare] = true;
				gate.text.element("person", { jid = bare }, data.people[bare].text);
			end
		end
	end

	gate.changes = changes;
	for _, topic in ipairs { "config_form", "affiliations", "invitations" } do module:require(topic)(gate); end
	return changes;
end;
