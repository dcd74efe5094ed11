-- Cuts texts, and writes XML as text where building stanzas would cost too much.

local escape, is_utf8 = require "util.stanza".xml_escape, require "util.encodings".utf8.valid;
local concat, find = table.concat, string.find;

-- Cuts at a character: half of one would close the component's stream.
local function cut(text, limit)
	if not text or #text <= limit then return text; end
	while limit > 0 and text:byte(limit + 1) >= 0x80 and text:byte(limit + 1) < 0xC0 do limit = limit - 1; end
	return text:sub(1, limit);
end

-- Returns whether XML can hold a text: JSON holds what the component would not read, and its question would not be
-- answered.
local function fits_xml(text)
	return is_utf8(text) and not find(text, "[%z\1-\8\11\12\14-\31]") and not find(text, "\239\191[\190\191]");
end

-- Returns a text as Jitsi Meet's dialogs show it whole: they take what is before a colon for a key's namespace, and
-- drop it. A ratio sign looks the same.
local function in_dialog(text) return (text:gsub(":", "\226\136\182")); end

-- Returns a person's words as part of a sentence of the room's: in one line, and without marks that turn the direction
-- of what stands around them (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069).
local TURNS = { "\216\156", "\226\128[\142\143\170-\174]", "\226\129[\166-\169]" };
local BREAKS = { "%c", "\194[\128-\159]", "\226\128[\168\169]" };
local function in_sentence(text)
	for _, turn in ipairs(TURNS) do text = text:gsub(turn, ""); end
	for _, line_break in ipairs(BREAKS) do text = text:gsub(line_break, " "); end
	return text;
end

-- What goes to the component with every join is written as text, into one buffer: in a server that collects garbage
-- all the time, a join costs what it leaves behind. It is made of what was parsed from XML, or has been checked.
local MARKUP, IN_VALUES = "[<>&]", "[<>&'\"]";
local ESCAPED = { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;" };
local buffer, size = {}, 0;
local function write(text) size = size + 1; buffer[size] = text; end
local function begin(text) size = 0; write(text); end
local function written() return concat(buffer, "", 1, size); end
local begins = setmetatable({}, { __index = function (known, name)
	known[name] = name .. "='";
	return known[name];
end }); -- of attributes, by name
local function attribute(name, value)
	if not value then return; end
	if type(value) == "string" and find(value, IN_VALUES) then value = escape(value); end
	buffer[size + 1], buffer[size + 2], buffer[size + 3] = begins[name], value, "' ";
	size = size + 3;
end
local function attributes(attr) -- without a call for each: of a question there are twenty
	local last = size;
	for name, value in next, attr do
		if type(value) == "string" and find(value, IN_VALUES) then value = escape(value); end
		if value then
			buffer[last + 1], buffer[last + 2], buffer[last + 3] = begins[name], value, "' ";
			last = last + 3;
		end
	end
	size = last;
end
local function write_text(text) write(find(text, MARKUP) and text:gsub(MARKUP, ESCAPED) or text); end
local function element(name, attr, text)
	write("<"); write(name); write(" ");
	attributes(attr);
	write(">");
	if text then write_text(text); end
	write("</"); write(name); write(">");
end

return {
	cut = cut, fits_xml = fits_xml, in_dialog = in_dialog, in_sentence = in_sentence,
	begin = begin, write = write, written = written,
	attribute = attribute, attributes = attributes, element = element,
};
