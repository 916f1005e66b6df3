/* What a store answers to a mount, whatever it is: taken as far as it makes sense, or refused. */
#include <stdlib.h>
#include <string.h>

#include "fs/client/routes.h"
#include "fs/schema/op.h"
#include "fs/schema/question.h"

#define ROOM 4096u

static void begin_entries(void *argument)
{
	*(uint32_t *)argument = 0;
}

static int count_entry(void *argument, const struct read_entry *entry)
{
	if (entry->name.size == 0 || entry->name.size > FS_NAME_SIZE_MAX)
		abort();
	return ++*(uint32_t *)argument == 100;
}

static void look_at_inode(void *argument, const struct attributes *attributes)
{
	*(uint32_t *)argument += attributes->nlink;
}

static void take_finding(const uint8_t *data, size_t size)
{
	uint8_t room[ROOM];
	uint32_t entries = 0;
	size_t split = size > 2 ? data[1] % size : 0;
	const struct question question = {.kind = size > 0 ? data[0] % QUESTION_KIND_END : 1, .size = ROOM};
	struct usage_walk walk = {0};
	struct finding finding = {.bytes = room,
		.begin = begin_entries,
		.entry = count_entry,
		.argument = &entries,
		.walk = &walk};

	if (question.kind == 0 || size < 3)
		return;
	if (question.kind == QUESTION_ATTRIBUTES_OF_MANY)
		finding.inode = look_at_inode;
	if (finding_take(&question, slice_of(data + 2, split > 2 ? split - 2 : 0),
		    slice_of(data + split, split > 2 ? size - split : 0), &finding) > 0)
		abort();
	usage_walk_close(&walk);
}

/* Twice, as it may come from two stores. */
static void take_routes(const uint8_t *data, size_t size)
{
	struct routes *routes = routes_new(8);
	Raftkv__RoutesReply *first, *second;
	size_t split = size > 0 ? data[0] % size : 0;

	first = raftkv__routes_reply__unpack(NULL, split, data);
	second = raftkv__routes_reply__unpack(NULL, size - split, data + split);
	if (first)
		routes_take(routes, first);
	if (second)
		routes_take(routes, second);
	routes_find(routes, slice_of(data, size < 20 ? size : 20));
	for (uint32_t i = 0; i < routes_store_count(routes); i++)
		if (!routes_address(routes, routes_store(routes, i)))
			abort();
	raftkv__routes_reply__free_unpacked(first, NULL);
	raftkv__routes_reply__free_unpacked(second, NULL);
	routes_free(routes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct op_reply reply;

	take_finding(data, size);
	if (size > 0)
		take_routes(data, size);
	if (op_reply_decode(slice_of(data, size), &reply) > 0)
		abort();
	return 0;
}
