-- Lists that the component reads a page at a time: sorted once for a reading, at its first page. What comes later is
-- reported by itself.

local MOST, SECONDS = 8, 60; -- lists that are kept, and how long one is that no page is asked of

local lists, count = {}, 0; -- by name: the keys in order, and when a page of it was asked for

local function forget(name)
	if lists[name] then lists[name], count = nil, count - 1; end
end

local function make_room(now)
	local oldest;
	for name, list in pairs(lists) do
		if now - list.used > SECONDS then
			forget(name);
		elseif not oldest or list.used < lists[oldest].used then
			oldest = name;
		end
	end
	if count >= MOST then forget(oldest); end
end

-- The place of the first key that comes after `after`.
local function place_after(keys, after)
	local first, last = 1, #keys + 1;
	while first < last do
		local middle = math.floor((first + last) / 2);
		if keys[middle] > after then last = middle; else first = middle + 1; end
	end
	return first;
end

-- The keys of the list of that name in order, and the place of the first that comes after `after`. `each` offers all
-- keys there are, at the first page and where the list is forgotten.
local function read(name, after, each)
	local now = os.time();
	local list = after ~= "" and lists[name];
	if not list then
		list = { keys = {} };
		local keys, number = list.keys, 0;
		each(function (key) number = number + 1; keys[number] = key; end);
		table.sort(keys);
		forget(name);
		make_room(now);
		lists[name], count = list, count + 1;
	end
	list.used = now;
	return list.keys, place_after(list.keys, after);
end

return { read = read, forget = forget };
