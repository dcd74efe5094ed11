-- Loaded by tests for every host, before their own modules: C libraries of the system for a Prosody that brings its own Lua.

module:set_global();
package.cpath = package.cpath .. ";" .. module:get_option_string("lab_lua_cpath", "");
