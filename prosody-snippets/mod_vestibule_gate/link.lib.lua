-- Sends over the component's link.

local xpcall = require "util.xpcall".xpcall;
local concat = table.concat;

local KEPT = 16; -- texts: what follows from the end of a big meeting is not kept

local link = {};
local session; -- of the component; nil while it is away
local outbox, gathered, is_gathering = {}, 0, false;

function link.attach(new)
	session = new;
	-- Otherwise a question after a report waits 40 ms for the acknowledgement of the report.
	session.conn:setoption("tcp-nodelay", true);
end
-- Returns whether it was this session.
function link.detach(old)
	if old ~= session then return false; end
	session = nil;
	return true;
end
function link.is_up() return session ~= nil; end

-- Sends what has been gathered, in one write.
function link.flush()
	local text = gathered == 1 and outbox[1] or gathered > 1 and concat(outbox, "", 1, gathered);
	if gathered > KEPT then outbox = {}; end
	gathered = 0;
	if text and session then session.send(text); end
end

function link.send(text)
	gathered = gathered + 1;
	outbox[gathered] = text;
	if not is_gathering then link.flush(); end
end

-- Gathers what `act` sends: what follows from one answer, which is reports and the next question, goes in one write.
function link.gather(act, ...)
	is_gathering = true;
	local ok, err = xpcall(act, debug.traceback, ...);
	is_gathering = false;
	link.flush();
	if not ok then error(err, 0); end
end

return link;
