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

-- Nodes are found by `by`, which an owner has from its second one on: most have one.
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

-- Returns the item's place, for `drop` and `keys`.
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

-- The place whose turn it is, or nil; `may_go`: of the groups for which it says so.
function round_robin.peek(rotation, may_go)
	local group = rotation.first;
	while group and may_go and not may_go(group.key) do group = group.after; end
	return group and group.first.first.first;
end

-- The item of a place whose turn it is; the next turn is another's. It keeps its place until that is dropped.
local function take(place)
	local account = place.owner;
	move_to_end(account);
	move_to_end(account.owner);
	move_to_end(account.owner.owner);
	return place.item;
end

-- The item whose turn it is, or nil; `may_go`: of the groups for which it says so.
function round_robin.next(rotation, may_go)
	local place = round_robin.peek(rotation, may_go);
	return place and take(place);
end

-- The item whose turn it is in that group, or nil.
function round_robin.next_of(rotation, key)
	local group = find(rotation, key);
	return group and take(group.first.first.first);
end

-- The group, domain and account of a place.
function round_robin.keys(place)
	local account = place.owner;
	return account.owner.owner.key, account.owner.key, account.key;
end

-- The first groups, in the order of their turns, as the places of their next items.
function round_robin.groups(rotation, most)
	local places, group = {}, rotation.first;
	while group and #places < most do
		places[#places + 1], group = group.first.first.first, group.after;
	end
	return places;
end

-- Adds the items for which `is_meant` says so to a list.
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
