-- Tests the gate's readers of client stanzas: `lua5.4 tests/lua/requests.lua LIBRARIES [MUTATIONS] [SEED]`. Each stanza
-- of the corpus, and MUTATIONS of it each, is read, built from what was read, and read again. It ends with status 1 at
-- the first that does not hold:
--
-- * nothing throws;
-- * what is built reads as what was read;
-- * what is built has no element, attribute or text that was not read.

local harness = dofile((arg[0]:match("^(.*)/") or ".") .. "/harness.lua");
local here, mutations, seed = harness.here, tonumber(arg[2] or 300), tonumber(arg[3] or 20261129);
local st, new_stream = require "util.stanza", require "util.xmppstream".new;

local LIMIT = {
	items = 64, language = 35, name = 256, address = 1023, text = 1024, value = 4096, history = 1000, int = 2147483647,
};
local AFFILIATION = { outcast = -1, none = 0, member = 1, admin = 2, owner = 3 };
local ROLE = { none = 0, visitor = 1, participant = 2, moderator = 3 };
local requests = harness.load "requests"(LIMIT, AFFILIATION, ROLE, harness.load "text".fits_xml);

-- Stanzas, as a server reads them

local function parse(text)
	local found;
	local stream = new_stream({ notopen = true }, {
		stream_ns = "http://etherx.jabber.org/streams", stream_tag = "stream", default_ns = "jabber:client",
		streamopened = function (session) session.notopen = nil; return true; end,
		streamclosed = function () end,
		error = function () end,
		handlestanza = function (_, stanza) found = stanza; end,
	});
	stream:feed("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
	stream:feed(text);
	return found;
end

local function corpus()
	local stanzas, names = {}, {};
	for path in io.popen("ls " .. here .. "/corpus/*.xml"):lines() do
		local file = assert(io.open(path));
		names[#names + 1], stanzas[#stanzas + 1] = path:match("([^/]*)%.xml$"), (file:read("*a"):gsub("\n$", ""));
		file:close();
	end
	return names, stanzas;
end

-- The form of a room, with a field of each type

local CONFIGURATION = {
	{ name = "FORM_TYPE", type = "hidden", value = "http://jabber.org/protocol/muc#roomconfig" },
	{ type = "fixed", value = "Room information" },
	{ name = "muc#roomconfig_roomname", type = "text-single", value = "Old" },
	{ name = "muc#roomconfig_roomdesc", type = "text-single", value = "" },
	{ name = "muc#roomconfig_lang", type = "text-single", datatype = "xs:language", value = "" },
	{ name = "muc#roomconfig_roomsecret", type = "text-private", value = "" },
	{ name = "muc#roomconfig_moderatedroom", type = "boolean" },
	{ name = "muc#roomconfig_persistentroom", type = "boolean", value = true },
	{ name = "muc#roomconfig_whois", type = "list-single",
		options = { { value = "moderators", default = true }, { value = "anyone" } } },
	{ name = "muc#roomconfig_presencebroadcast", type = "list-multi", value = { "visitor", "participant" },
		options = { "none", "visitor", "participant", "moderator" } },
	{ name = "muc#roomconfig_historylength", type = "text-single", datatype = "xs:integer", value = 20 },
	{ name = "urn:test:jid", type = "jid-single", value = "a@b" },
	{ name = "urn:test:jids", type = "jid-multi", value = { "a@b" } },
	{ name = "urn:test:lines", type = "text-multi", value = "a\nb" },
	{ name = "urn:test:time", type = "text-single", datatype = "xs:dateTime" },
	{ name = "urn:test:untyped", value = "x" },
};
local REGISTRATION = {
	{ name = "muc#register_roomnick", type = "text-single" }, { name = "muc#register_url", type = "text-single" },
};

local xmlns_muc = "http://jabber.org/protocol/muc";

-- What is read of a stanza: a list of { read, builder }. Empty: nothing, or it is refused.
local READERS = {};
READERS[xmlns_muc .. "#owner"] = function (stanza)
	local request = requests.read_owner(stanza.tags[1]);
	if request and request.name == "submit" then
		request = requests.check_configuration(request, CONFIGURATION, false);
	end
	return request and { { request, function () return requests.build_owner(stanza, request); end } } or {};
end;
READERS[xmlns_muc .. "#admin"] = function (stanza)
	local built = {};
	for i, item in ipairs(requests.read_items(stanza.tags[1]) or {}) do
		built[i] = { item, function () return requests.build_item(stanza, item); end };
	end
	return built;
end;
READERS["jabber:iq:register"] = function (stanza)
	local request = requests.read_registration(stanza.tags[1], REGISTRATION);
	return request and { { request, function () return requests.build_registration(stanza, request); end } } or {};
end;
local function read_message(stanza)
	local request, subject, built = requests.read_request(stanza), requests.read_subject(stanza), {};
	for i, each in ipairs(requests.read_invitations(stanza) or {}) do
		built[i] = { each, function () return requests.build_invitation(stanza, each); end };
	end
	if request and request.jid and request.nick and request.allows then
		local given = { jid = request.jid, nick = request.nick, role = "participant", allows = true };
		built[1] = { given, function () return requests.build_voice(stanza, given.jid, given.nick); end };
	elseif subject then
		built[1] = { { subject }, function () return requests.build_subject(stanza, subject); end };
	end
	return built;
end

local function read(stanza)
	if stanza.name == "message" then return read_message(stanza); end
	local query = stanza.name == "iq" and stanza.tags[1];
	local reader = query and query.name == "query" and READERS[query.attr.xmlns or ""];
	return reader and #stanza.tags == 1 and reader(stanza) or {};
end

-- What may stand in a stanza that was built, beside what was read

local WORDS = {};
for word in ([[jabber:client jabber:x:data jabber:iq:register submit cancel hidden FORM_TYPE participant 1
	muc#role muc#jid muc#roomnick muc#request_allow]]):gmatch("%S+") do WORDS[word] = true; end
for _, part in ipairs { "", "#user", "#admin", "#owner", "#request", "#register", "#roomconfig" } do
	WORDS[xmlns_muc .. part] = true;
end
local ELEMENTS, ATTRIBUTES = {}, {};
for name in ([[iq message presence query x field value destroy reason item remove invite decline subject password
	history]]):gmatch("%S+") do ELEMENTS[name] = true; end
for name in ([[xmlns from to type id xml:lang var jid nick affiliation role maxchars maxstanzas seconds
	since]]):gmatch("%S+") do ATTRIBUTES[name] = true; end

local function texts_of(value, texts)
	if type(value) == "table" then
		for key, each in pairs(value) do texts_of(key, texts); texts_of(each, texts); end
	elseif type(value) == "string" then
		texts[value] = true;
	end
	return texts;
end

local function check_words(tag, texts, may)
	assert(ELEMENTS[tag.name], "an element that was not read: " .. tag.name);
	for name, value in pairs(tag.attr) do
		assert(ATTRIBUTES[name], "an attribute that was not read: " .. name);
		assert(WORDS[value] or texts[value] or may[value], "a value that was not read: " .. value);
	end
	local text = "";
	for _, child in ipairs(tag) do
		if type(child) == "string" then text = text .. child; else check_words(child, texts, may); end
	end
	assert(text == "" or WORDS[text] or texts[text], "a text that was not read: " .. text);
end

local function equal(a, b)
	if type(a) ~= "table" or type(b) ~= "table" then return a == b; end
	for key, value in pairs(a) do if not equal(value, b[key]) then return false; end end
	for key in pairs(b) do if a[key] == nil then return false; end end
	return true;
end

local function check_request(stanza)
	local count = 0;
	for _, each in ipairs(read(stanza)) do
		local built = parse(tostring(each[2]()));
		local attr = stanza.attr;
		local may = { en = true }; -- which Prosody writes where nothing is said
		for _, name in ipairs { "from", "to", "id", "type", "xml:lang" } do may[attr[name] or ""] = true; end
		check_words(built, texts_of(each[1], {}), may);
		local again = read(built);
		assert(#again == 1, "it does not read as one: " .. tostring(built));
		if stanza.name == "message" and each[1].role then
			assert(again[1][1].jid == each[1].jid and again[1][1].nick == each[1].nick, "another person");
		else
			assert(equal(again[1][1], each[1]), "it reads as something else: " .. tostring(built));
		end
		count = count + 1;
	end
	return count;
end

-- Of a join, everything but the MUC elements stays as it is, in its order.
local function others_of(stanza)
	local texts = {};
	for _, tag in ipairs(stanza.tags) do
		if tag.name ~= "x" or tag.attr.xmlns ~= xmlns_muc then texts[#texts + 1] = tostring(tag); end
	end
	return table.concat(texts);
end

local function check_join(stanza)
	if not stanza:get_child("x", xmlns_muc) then return 0; end
	local before, others = requests.read_join(stanza), others_of(stanza);
	requests.rebuild_join(stanza);
	assert(others_of(stanza) == others, "another payload than before");
	stanza = parse(tostring(stanza));
	local count = 0;
	for x in stanza:childtags("x", xmlns_muc) do
		count = count + 1;
		check_words(x, texts_of(before, {}), {});
	end
	assert(count == 1, "not one MUC element");
	local after = requests.read_join(stanza);
	if not before.password then before.passwords = 0; end
	local is_empty = after.history == nil and next(before.history or {}) == nil;
	assert(equal(before, after) or is_empty and before.password == after.password, "another join than before");
	return 1;
end

-- Mutations

local XMLNS = {
	"", "urn:x", "jabber:client", "jabber:x:data", xmlns_muc, xmlns_muc .. "#user", xmlns_muc .. "#admin",
	xmlns_muc .. "#owner",
};
local NAMES = {
	"x", "field", "value", "item", "invite", "decline", "destroy", "reason", "query", "history", "password", "remove",
	"subject", "body", "zebra", "actor", "reported", "option",
};
local VALUES = {
	"", "-1", "0", "1", "1e300", "1e9", "0x10", "nan", "inf", " 5", "9223372036854775808", "true", "TRUE", "yes",
	"king", "owner", "none", "moderator", "@@", "a@b@c", "zebra@example.org/x", "A@EXAMPLE.ORG",
	"ro\225\181\146t@example.org", "\226\128\142", "de-", "submit", "form", "FORM_TYPE",
	xmlns_muc .. "#roomconfig", xmlns_muc .. "#request",
	"muc#roomconfig_whois", "9999-99-99T99:99:99Z", "2024-01-01T00:00:00Z", ("z"):rep(300), ("z"):rep(1500),
	("z"):rep(5000), "a\nb", "a&amp;b",
};
local ATTRS = {
	"jid", "nick", "affiliation", "role", "to", "from", "var", "type", "zebra", "xml:lang", "maxstanzas", "seconds",
	"since", "id",
};

local function any(list) return list[math.random(#list)]; end

local function every_tag(tag, list)
	list[#list + 1] = tag;
	for _, child in ipairs(tag.tags) do every_tag(child, list); end
	return list;
end

local function insert(parent, child, at)
	table.insert(parent, at, child);
	parent.tags = {};
	for _, each in ipairs(parent) do
		if type(each) == "table" then table.insert(parent.tags, each); end
	end
end

local function set_xmlns(tag, xmlns)
	tag.attr.xmlns = xmlns;
	for _, child in ipairs(tag.tags) do
		if math.random(2) == 1 then set_xmlns(child, xmlns); end
	end
end

local MUTATE = {
	function (tag) tag.attr[any(ATTRS)] = any(VALUES); end,
	function (tag) tag.attr[any(ATTRS)] = nil; end,
	function (tag) set_xmlns(tag, any(XMLNS)); end,
	function (tag) tag.name = any(NAMES); end,
	function (tag) insert(tag, any(VALUES), math.random(#tag + 1)); end,
	function (tag)
		local xmlns = math.random(2) == 1 and tag.attr.xmlns or any(XMLNS);
		insert(tag, st.stanza(any(NAMES), { xmlns = xmlns }), math.random(#tag + 1));
	end,
	function (tag) if tag.tags[1] then insert(tag, st.clone(any(tag.tags)), math.random(#tag + 1)); end end,
	function (tag) if #tag > 0 then table.remove(tag, math.random(#tag)); insert(tag, "", 1); end end,
	function (tag) -- the text of a leaf
		if #tag.tags == 0 then
			for i = #tag, 1, -1 do tag[i] = nil; end
			tag[1] = any(VALUES);
		end
	end,
	function (tag, root) -- something of the stanza elsewhere
		local child = st.clone(any(every_tag(root, {})));
		insert(tag, child, math.random(#tag + 1));
	end,
};

local function mutated(text)
	local stanza = parse(text);
	for _ = 1, math.random(3) do
		local tag = any(every_tag(stanza, {}));
		any(MUTATE)(tag, stanza);
	end
	if not stanza.name:match("^%a+$") then return nil; end
	return parse(tostring(stanza));
end

local checked, passed = 0, 0;
local function check(name, stanza)
	local text = tostring(stanza);
	local ok, result = xpcall(function ()
		return stanza.name == "presence" and check_join(stanza) or check_request(stanza);
	end, debug.traceback);
	if not ok then
		io.stderr:write(("%s: %s\n%s\n"):format(name, result, text));
		os.exit(1);
	end
	checked, passed = checked + 1, passed + (result > 0 and 1 or 0);
	return result;
end

math.randomseed(seed);
local names, texts = corpus();
assert(#texts > 10, "there is no corpus");
for i, text in ipairs(texts) do
	local has_step = not names[i]:match("^knock") and not names[i]:match("^voice%-asked");
	assert((check(names[i], parse(text)) > 0) == has_step, names[i] .. ": nothing goes on of a stanza of the corpus");
	for _ = 1, mutations do
		local stanza = mutated(text);
		if stanza then check(names[i], stanza); end
	end
end
print(("%d stanzas, of %d something goes on"):format(checked, passed));
assert(mutations < 50 or passed > checked / 10 and passed < checked, "the mutations try nothing");
