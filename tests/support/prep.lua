-- Prints what Prosody's own preparation makes of what it reads, without a server.
--
--     lua5.4 prep.lua FOLDER points      every code point, in each part, alone and between letters
--     lua5.4 prep.lua FOLDER addresses   every line of the standard input
--
-- FOLDER is Prosody's own, with `util` in it.

local folder, what = arg[1], arg[2];
package.path, package.cpath = folder .. "/?.lua;" .. package.path, folder .. "/?.so;" .. package.cpath;
-- Prosody 13 has its modules under `prosody.`, in the same folder.
table.insert(package.searchers, function (name)
	local plain = name:match("^prosody%.(.*)$");
	return plain and function () return require(plain); end or nil;
end);

if what == "points" then
	local stringprep = require "util.encodings".stringprep;
	local parts = { stringprep.nodeprep, stringprep.nameprep, stringprep.resourceprep };
	-- For each: 0, it is refused; 1, it stays; 2, the length and what becomes of it.
	local out, size = {}, 0;
	local function put(text, prepared)
		size = size + 1;
		if not prepared then
			out[size] = "\0";
		elseif prepared == text then
			out[size] = "\1";
		else
			out[size] = "\2" .. string.char(#prepared) .. prepared;
		end
	end
	for code = 0, 0x10FFFF do
		if code < 0xD800 or code > 0xDFFF then
			local alone = utf8.char(code);
			local between = "a" .. alone .. "b";
			for i = 1, 3 do
				put(alone, parts[i](alone, true));
				put(between, parts[i](between, true));
			end
			if size > 10000 then
				io.write(table.concat(out, "", 1, size));
				size = 0;
			end
		end
	end
	io.write(table.concat(out, "", 1, size));
else
	local prep = require "util.jid".prep;
	for line in io.lines() do
		local prepared = prep(line, true);
		print(prepared and "=" .. prepared or "-");
	end
end
