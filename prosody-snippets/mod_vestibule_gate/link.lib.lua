-- Sends over the component's link. A question does not wait for the end of the server's turn: the component decides
-- while the server goes on with what others have sent.

local xpcall = require "util.xpcall".xpcall;
local concat = table.concat;

local KEPT = 16; -- texts: what follows from the end of a big meeting is not kept

local link = {};
local session; -- of the component; nil while it is away
local outbox, gathered, is_gathering, has_question = {}, 0, false, false;

local function write_later(text) session.send(text); end
-- What `opportunistic_writes` does for all connections (net/server_epoll.lua), and harms clients with: where the last
-- write went through, this one is tried in this turn. What the connection does not take waits in its buffer, as always.
local function write_at_once(text)
	local conn = session.conn;
	if not conn._writable or conn._write_lock or not conn.onwritable then return write_later(text); end
	conn._write_lock = true; -- or it would be put down for the next turn
	session.send(text);
	conn._write_lock = nil;
	conn:onwritable();
end

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
	local write = has_question and write_at_once or write_later;
	if gathered > KEPT then outbox = {}; end
	gathered, has_question = 0, false;
	if text and session then write(text); end
end

function link.send(text)
	gathered = gathered + 1;
	outbox[gathered] = text;
	if not is_gathering then link.flush(); end
end
function link.ask(text)
	has_question = true;
	link.send(text);
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
