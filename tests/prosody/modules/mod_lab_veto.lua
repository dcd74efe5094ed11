-- Lets nobody change an affiliation, as a policy on moderators might.

module:hook("muc-pre-set-affiliation", function (event)
	if event.actor and event.actor ~= true then
		event.allowed = false;
	end
end, 10);
