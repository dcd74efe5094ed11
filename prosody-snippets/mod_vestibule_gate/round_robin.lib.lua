-- A fair queue of items: by turns of groups, within a group of domains, within a domain of accounts; first come, first
-- served within an account. Nobody gets more turns by having more items. Each step takes constant time.

local round_robin = {};

local function append(owner, node)
	node.owner, node.before = owner, owner.last;
	if owner.last then owner.last.after = node; else owner.first = node; end
	owner.last = node;
end

local function unlink(node)
	local owner, before, after = node.owner, node.before, node.after;
	if before then before.after = after; else owner.first = after; end
	if after then after.before = before; else owner.last = before; end
	node.before, node.after = nil, nil;
end

local function move_to_end(node)
	local owner = node.owner;
	if not node.after then return; end
	unlink(node);
	append(owner, node);
end

-- An owner has an index from its second node on: most have one.
local function find(owner, key)
	local node = owner.first;
	if node and node.key ~= key then node = owner.by and owner.by[key]; end
	return node;
end

local function child(owner, key)
	local node = find(owner, key);
	if node then return node; end
	if owner.first and not owner.by then owner.by = { [owner.first.key] = owner.first }; end
	node = { key = key, count = 0, by = nil, owner = nil, before = nil, after = nil, first = nil, last = nil };
	if owner.by then owner.by[key] = node; end
	append(owner, node);
	return node;
end

function round_robin.new() return { by = nil, count = 0, first = nil, last = nil }; end

-- Adds an item; returns its place, for `drop` and `keys`.
function round_robin.add(rotation, item, group, domain, account)
	local place = { item = item, owner = nil, before = nil, after = nil };
	local node = child(child(child(rotation, group), domain), account);
	append(node, place);
	while node do
		node.count = node.count + 1;
		node = node.owner;
	end
	return place;
end

function round_robin.drop(place)
	local node = place.owner;
	unlink(place);
	place.owner = nil;
	while node do
		local owner = node.owner;
		node.count = node.count - 1;
		if owner and node.count == 0 then
			unlink(node);
			if owner.by then owner.by[node.key] = nil; end
		end
		node = owner;
	end
end

-- Returns the next place, or nil; `may_go`: only of groups that it accepts.
function round_robin.peek(rotation, may_go)
	local group = rotation.first;
	while group and may_go and not may_go(group.key) do group = group.after; end
	return group and group.first.first.first;
end

-- Takes the item of a place and passes the turn on. The item keeps its place until it is dropped.
local function take(place)
	local account = place.owner;
	move_to_end(account);
	move_to_end(account.owner);
	move_to_end(account.owner.owner);
	return place.item;
end

-- Returns the next item, or nil; `may_go`: only of groups that it accepts.
function round_robin.next(rotation, may_go)
	local place = round_robin.peek(rotation, may_go);
	return place and take(place);
end

-- Returns the next item of a group, or nil.
function round_robin.next_of(rotation, key)
	local group = find(rotation, key);
	return group and take(group.first.first.first);
end

-- Returns the group, domain and account of a place.
function round_robin.keys(place)
	local account = place.owner;
	return account.owner.owner.key, account.owner.key, account.key;
end

-- Returns the next items' places of the first groups, in the order of their turns.
function round_robin.groups(rotation, most)
	local places, group = {}, rotation.first;
	while group and #places < most do
		places[#places + 1], group = group.first.first.first, group.after;
	end
	return places;
end

-- Adds the items that satisfy `is_meant` to a list.
function round_robin.collect(rotation, is_meant, list)
	local group = rotation.first;
	while group do
		local domain = group.first;
		while domain do
			local account = domain.first;
			while account do
				local place = account.first;
				while place do
					if is_meant(place.item) then list[#list + 1] = place.item; end
					place = place.after;
				end
				account = account.after;
			end
			domain = domain.after;
		end
		group = group.after;
	end
end

return round_robin;
