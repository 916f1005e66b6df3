#include "tests/lib/memory_view.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/status.h"
#include "store/rows/mutations.h"

/* A skip list. Its keys are a letter for the space, then the key; a unit's are SPACE_UNITS, object, number (big endian),
 * and units of one object are those whose key is exactly that long. */
#define LEVEL_COUNT 18
#define UNIT_SIZE   4096u
#define SPACE_UNITS 2 /* behind the values of enum key_space */

struct node {
	uint8_t *value;
	size_t value_size;
	size_t key_size;
	uint8_t *key; /* behind the pointers */
	struct node *next[];
};

struct memory_view {
	struct view view;
	struct node *head;
	uint64_t random;
	uint64_t blocking;
	uint32_t one_in;
	struct slice start, end; /* memory_view_set_range */
	uint64_t count;
	uint64_t unit_count;
};

struct memory_key {
	size_t size;
	uint8_t bytes[MUTATIONS_KEY_MAX + 16];
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* ---- The list ---- */

static struct node *new_node(struct slice key, int levels)
{
	struct node *node = calloc(1, sizeof *node + (size_t)levels * sizeof *node->next + key.size);

	check(node != NULL);
	node->key = (uint8_t *)(node->next + levels);
	node->key_size = key.size;
	if (key.size > 0)
		memcpy(node->key, key.data, key.size);
	return node;
}

static struct slice node_key(const struct node *node)
{
	return slice_of(node->key, node->key_size);
}

/* The first node >= `key`; `before` (may be NULL) gets the node in front of it at each level. */
static struct node *seek(const struct memory_view *memory, struct slice key, struct node **before)
{
	struct node *node = memory->head;

	for (int level = LEVEL_COUNT - 1; level >= 0; level--) {
		while (node->next[level] && slice_compare(node_key(node->next[level]), key) < 0)
			node = node->next[level];
		if (before)
			before[level] = node;
	}
	return node->next[0];
}

static bool is_unit(struct slice key)
{
	return key.size > 0 && *(const uint8_t *)key.data == SPACE_UNITS;
}

static void set_value(struct node *node, struct slice value)
{
	free(node->value);
	node->value = malloc(value.size + 1);
	check(node->value != NULL);
	if (value.size > 0)
		memcpy(node->value, value.data, value.size);
	node->value_size = value.size;
}

static void put(struct memory_view *memory, struct slice key, struct slice value)
{
	struct node *before[LEVEL_COUNT];
	struct node *node = seek(memory, key, before);
	int levels = 1;

	if (!node || slice_compare(node_key(node), key) != 0) {
		while (levels < LEVEL_COUNT && next_random(&memory->random) % 4 == 0)
			levels++;
		node = new_node(key, levels);
		for (int level = 0; level < levels; level++) {
			node->next[level] = before[level]->next[level];
			before[level]->next[level] = node;
		}
		*(is_unit(key) ? &memory->unit_count : &memory->count) += 1;
	}
	set_value(node, value);
}

static void free_node(struct node *node)
{
	free(node->value);
	free(node);
}

/* Removes nodes from `low` on, below `high`. */
static void remove_range(struct memory_view *memory, struct slice low, struct slice high)
{
	struct node *before[LEVEL_COUNT];
	struct node *node = seek(memory, low, before);

	while (node && slice_compare(node_key(node), high) < 0) {
		struct node *next = node->next[0];

		for (int level = 0; level < LEVEL_COUNT && before[level]->next[level] == node; level++)
			before[level]->next[level] = node->next[level];
		*(is_unit(node_key(node)) ? &memory->unit_count : &memory->count) -= 1;
		free_node(node);
		node = next;
	}
}

/* ---- Keys ---- */

static struct slice make_key(struct memory_key *made, int space, struct slice key)
{
	check(key.size <= MUTATIONS_KEY_MAX);
	made->bytes[0] = (uint8_t)space;
	if (key.size > 0)
		memcpy(made->bytes + 1, key.data, key.size);
	made->size = key.size + 1;
	return slice_of(made->bytes, made->size);
}

static struct slice make_unit_key(struct memory_key *made, struct slice object, uint64_t unit)
{
	make_key(made, SPACE_UNITS, object);
	for (int i = 7; i >= 0; i--)
		made->bytes[made->size++] = (uint8_t)(unit >> (8 * i));
	return slice_of(made->bytes, made->size);
}

/* The unit's number, if `node` is a unit of `object`. */
static bool get_unit(const struct node *node, struct slice object, uint64_t *unit)
{
	if (!node || node->key_size != object.size + 9 || node->key[0] != SPACE_UNITS)
		return false;
	if (memcmp(node->key + 1, object.data, object.size) != 0)
		return false;
	*unit = 0;
	for (size_t i = object.size + 1; i < node->key_size; i++)
		*unit = *unit << 8 | node->key[i];
	return true;
}

/* ---- The view ---- */

static struct memory_view *memory_of(struct view *view)
{
	return (struct memory_view *)view;
}

static bool blocks(struct memory_view *memory)
{
	return memory->one_in > 0 && next_random(&memory->blocking) % memory->one_in == 0;
}

static bool is_in_range(const struct memory_view *memory, enum key_space space, struct slice key)
{
	if (space != KEY_DATA)
		return true;
	return slice_compare(key, memory->start) >= 0 &&
	       (memory->end.size == 0 || slice_compare(key, memory->end) < 0);
}

static int view_get_row(struct view *view, enum key_space space, struct slice key, struct kv_value *value)
{
	struct memory_view *memory = memory_of(view);
	struct memory_key made;
	struct slice wanted = make_key(&made, (int)space, key);
	struct node *node;

	if (!is_in_range(memory, space, key))
		return STATUS_KEY_NOT_IN_REGION;
	if (blocks(memory))
		return STATUS_WOULD_BLOCK;
	node = seek(memory, wanted, NULL);
	if (!node || slice_compare(node_key(node), wanted) != 0)
		return STATUS_NOT_FOUND;
	*value = (struct kv_value){.data = slice_of(node->value, node->value_size)};
	return 0;
}

static int view_scan_rows(struct view *view, enum key_space space, struct slice low, struct slice high,
	view_row_cb row, void *argument)
{
	struct memory_view *memory = memory_of(view);
	struct memory_key made, made_high;
	struct slice end = high.size > 0 ? make_key(&made_high, (int)space, high)
					 : make_key(&made_high, (int)space + 1, (struct slice){0});
	struct node *node = seek(memory, make_key(&made, (int)space, low), NULL);

	if (!is_in_range(memory, space, low))
		return STATUS_KEY_NOT_IN_REGION;
	for (; node && slice_compare(node_key(node), end) < 0; node = node->next[0]) {
		int status;

		if (blocks(memory))
			return STATUS_WOULD_BLOCK;
		status = row(argument, slice_of(node->key + 1, node->key_size - 1),
			slice_of(node->value, node->value_size));
		if (status != 0)
			return status;
	}
	return blocks(memory) ? STATUS_WOULD_BLOCK : 0;
}

static int view_read_units(
	struct view *view, struct slice object, uint64_t first, uint32_t count, void *bytes)
{
	struct memory_view *memory = memory_of(view);
	struct memory_key made;
	struct node *node = seek(memory, make_unit_key(&made, object, first), NULL);
	uint64_t unit;

	if (blocks(memory))
		return STATUS_WOULD_BLOCK;
	memset(bytes, 0, (size_t)count * UNIT_SIZE);
	for (; get_unit(node, object, &unit) && unit - first < count; node = node->next[0])
		memcpy((uint8_t *)bytes + (unit - first) * UNIT_SIZE, node->value, UNIT_SIZE);
	return 0;
}

static int view_count_mapped(
	struct view *view, struct slice object, uint64_t first, uint64_t count, uint64_t *mapped)
{
	struct memory_view *memory = memory_of(view);
	struct memory_key made;
	struct node *node = seek(memory, make_unit_key(&made, object, first), NULL);
	uint64_t unit;

	if (blocks(memory))
		return STATUS_WOULD_BLOCK;
	*mapped = 0;
	for (; get_unit(node, object, &unit) && unit - first < count; node = node->next[0])
		(*mapped)++;
	return 0;
}

static int view_find_next(struct view *view, struct slice object, uint64_t first, bool data, uint64_t *unit)
{
	struct memory_view *memory = memory_of(view);
	struct memory_key made;
	struct node *node = seek(memory, make_unit_key(&made, object, first), NULL);
	uint64_t at;

	if (blocks(memory))
		return STATUS_WOULD_BLOCK;
	if (data) {
		*unit = get_unit(node, object, &at) ? at : UINT64_MAX;
		return 0;
	}
	*unit = first;
	for (; get_unit(node, object, &at) && at == *unit; node = node->next[0])
		(*unit)++;
	return 0;
}

static const struct view_ops memory_ops = {
	.get = view_get_row,
	.scan = view_scan_rows,
	.read = view_read_units,
	.mapped = view_count_mapped,
	.next = view_find_next,
};

/* ---- Changes ---- */

static void write_units(struct memory_view *memory, const struct mutation *mutation, const uint8_t *bytes)
{
	struct memory_key made;

	for (uint64_t i = 0; i < mutation->count; i++)
		put(memory, make_unit_key(&made, mutation->key, mutation->first + i),
			slice_of(bytes + i * UNIT_SIZE, UNIT_SIZE));
}

static void unmap_units(struct memory_view *memory, const struct mutation *mutation)
{
	uint64_t end = mutation->count > UINT64_MAX - mutation->first ? UINT64_MAX
								      : mutation->first + mutation->count;
	struct memory_key low, high;

	remove_range(memory, make_unit_key(&low, mutation->key, mutation->first),
		make_unit_key(&high, mutation->key, end));
}

struct application {
	struct memory_view *memory;
	const struct raft_entry *entry;
};

static int apply_one(void *argument, const struct mutation *mutation)
{
	struct application *application = argument;
	struct memory_view *memory = application->memory;
	struct memory_key key, high;

	switch (mutation->kind) {
	case MUTATION_PUT:
		put(memory, make_key(&key, (int)mutation->space, mutation->key), mutation->value);
		break;
	case MUTATION_DELETE:
		make_key(&key, (int)mutation->space, mutation->key);
		high = key;
		high.bytes[high.size++] = 0;
		remove_range(memory, slice_of(key.bytes, key.size), slice_of(high.bytes, high.size));
		break;
	case MUTATION_DELETE_RANGE:
		remove_range(memory, make_key(&key, (int)mutation->space, mutation->key),
			make_key(&high, (int)mutation->space, mutation->high));
		break;
	case MUTATION_WRITE:
		write_units(memory, mutation,
			mutation->is_beside ? application->entry->payload->data : mutation->payload.data);
		break;
	case MUTATION_UNMAP:
		unmap_units(memory, mutation);
		break;
	}
	return 0;
}

int memory_view_apply(struct memory_view *memory, const struct raft_entry *entry)
{
	struct application application = {.memory = memory, .entry = entry};
	uint64_t epoch_version;

	return mutations_each(entry, &epoch_version, apply_one, &application);
}

void memory_view_put(struct memory_view *memory, enum key_space space, struct slice key, struct slice value)
{
	struct memory_key made;

	put(memory, make_key(&made, (int)space, key), value);
}

void memory_view_delete(
	struct memory_view *memory, enum key_space space, struct slice low_key, struct slice high_key)
{
	struct memory_key low, high;

	remove_range(memory, make_key(&low, (int)space, low_key), make_key(&high, (int)space, high_key));
}

void memory_view_damage(struct memory_view *memory, uint64_t random)
{
	struct node *node = memory->head->next[0];

	for (uint64_t i = random % memory->count; i > 0; i--)
		node = node->next[0];
	if (node->value_size == 0)
		return;
	if (random >> 32 & 1)
		node->value_size = (random >> 40) % node->value_size;
	else
		node->value[(random >> 40) % node->value_size] ^= (uint8_t)(1u << (random >> 33) % 8);
}

/* ---- Life and inspection ---- */

struct memory_view *memory_view_new(void)
{
	struct memory_view *memory = calloc(1, sizeof *memory);

	check(memory != NULL);
	memory->view.ops = &memory_ops;
	memory->random = 88172645463325252;
	memory->head = new_node((struct slice){0}, LEVEL_COUNT);
	return memory;
}

void memory_view_free(struct memory_view *memory)
{
	struct node *node = memory->head;

	while (node) {
		struct node *next = node->next[0];

		free_node(node);
		node = next;
	}
	free(memory);
}

struct view *memory_view_get(struct memory_view *memory)
{
	return &memory->view;
}

void memory_view_set_blocking(struct memory_view *memory, uint32_t one_in, uint64_t seed)
{
	memory->one_in = one_in;
	memory->blocking = seed * 2 + 1;
}

void memory_view_set_range(struct memory_view *memory, struct slice start, struct slice end)
{
	memory->start = start;
	memory->end = end;
}

uint64_t memory_view_count_rows(const struct memory_view *memory)
{
	return memory->count;
}

uint64_t memory_view_count_units(const struct memory_view *memory)
{
	return memory->unit_count;
}

void memory_view_each_object(struct memory_view *memory,
	void (*each)(void *argument, struct slice object, uint64_t units), void *argument)
{
	struct memory_key made;
	struct node *node = seek(memory, make_key(&made, SPACE_UNITS, (struct slice){0}), NULL);

	while (node) {
		struct slice object = slice_of(node->key + 1, node->key_size - 9);
		uint64_t units = 0, unit;

		for (; get_unit(node, object, &unit); node = node->next[0])
			units++;
		each(argument, object, units);
	}
}
