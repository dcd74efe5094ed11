-- What every test of the gate's files uses. Each runs without a server, on the libraries of an installed Prosody:
--
--     lua5.4 tests/lua/TEST.lua /usr/lib/prosody
--
-- It ends with status 1 at the first thing that is not so. `make prosody-tests` runs all, on each Prosody's Lua.

local here, libraries = arg[0]:match("^(.*)/") or ".", arg[1];
package.path, package.cpath = libraries .. "/?.lua;" .. package.path, libraries .. "/?.so;" .. package.cpath;
local loader = loadfile(libraries .. "/loader.lua"); -- Prosody 13 calls its libraries by another name
if loader then loader("loader"); end

local harness = { here = here };

-- Loads a file of the gate by its name.
function harness.load(name)
	return assert(loadfile(here .. "/../../prosody-snippets/mod_vestibule_gate/" .. name .. ".lib.lua"))();
end

return harness;
