/* Counts what Lua allocates. Loading it puts a counter before the allocator of the state, and returns a function that
 * returns the bytes and the number of allocations since then. The few declarations are here, so no header is needed. */
#include <stddef.h>

typedef struct lua_State lua_State;
typedef void *(*lua_Alloc)(void *, void *, size_t, size_t);
typedef int (*lua_CFunction)(lua_State *);
extern lua_Alloc lua_getallocf(lua_State *, void **);
extern void lua_setallocf(lua_State *, lua_Alloc, void *);
extern void lua_pushinteger(lua_State *, long long);
extern void lua_pushcclosure(lua_State *, lua_CFunction, int);

static lua_Alloc behind;
static long long bytes, count;

/* Of a new block, the old size is the type of what goes into it. */
static void *allocate(void *data, void *block, size_t old, size_t size) {
	if (size > 0 && (block == NULL || size > old)) {
		bytes += (long long)(block == NULL ? size : size - old);
		count++;
	}
	return behind(data, block, old, size);
}

static int allocated(lua_State *L) {
	lua_pushinteger(L, bytes);
	lua_pushinteger(L, count);
	return 2;
}

int luaopen_allocations(lua_State *L) {
	void *data;
	if (behind == NULL) {
		behind = lua_getallocf(L, &data);
		lua_setallocf(L, allocate, data);
	}
	lua_pushcclosure(L, allocated, 0);
	return 1;
}
