#include "store/apply/rewrite.h"

#include <errno.h>
#include <stdlib.h>

#include "store/rows/rows.h"

#define REWRITE_UNITS 256 /* units written at a time */

struct rewrite_unit {
	struct blocks_request request;
	struct iovec vector;
	struct rewrite *rewrite;
	struct buf *owner; /* of the bytes */
	int status;
};

static void rewrite_on_written(struct blocks_request *request)
{
	struct rewrite_unit *unit = (struct rewrite_unit *)request; /* the first member */

	if (--unit->rewrite->pending == 0)
		env_loop_stop(unit->rewrite->loop);
}

static int write_units(struct rewrite *rewrite)
{
	int status = env_loop_new(rewrite->engines->env, "rewrite", &rewrite->loop);

	if (status < 0)
		return status;
	rewrite->pending = rewrite->count;
	for (uint32_t i = 0; i < rewrite->count; i++) {
		rewrite->units[i].request.loop = rewrite->loop;
		blocks_write(rewrite->engines->blocks, &rewrite->units[i].request);
	}
	status = env_loop_run(rewrite->loop);
	env_loop_free(rewrite->loop);
	for (uint32_t i = 0; i < rewrite->count && status == 0; i++)
		status = rewrite->units[i].request.status;
	return status;
}

int rewrite_finish(struct rewrite *rewrite)
{
	int status = rewrite->count > 0 ? write_units(rewrite) : 0;

	for (uint32_t i = 0; i < rewrite->count; i++)
		buf_unref(rewrite->units[i].owner);
	free(rewrite->units);
	rewrite->units = NULL;
	rewrite->count = 0;
	return status;
}

static int gather(struct rewrite *rewrite, uint64_t address, struct buf *owner, const uint8_t *bytes)
{
	struct rewrite_unit *unit;
	int status = rewrite->count == REWRITE_UNITS ? rewrite_finish(rewrite) : 0;

	if (status < 0)
		return status;
	if (!rewrite->units)
		rewrite->units = calloc(REWRITE_UNITS, sizeof *rewrite->units);
	if (!rewrite->units)
		return -ENOMEM;
	unit = &rewrite->units[rewrite->count++];
	*unit = (struct rewrite_unit){
		.request = {.extent = {address, 1}, .vector_count = 1, .done = rewrite_on_written},
		.vector = {(uint8_t *)bytes, BLOCK_UNIT_SIZE},
		.rewrite = rewrite,
		.owner = buf_ref(owner),
	};
	unit->request.vector = &unit->vector;
	return 0;
}

static int read_row(struct kv_engine *kv, struct slice object, uint64_t unit, struct extent_row *row)
{
	struct kv_value value = {0};
	struct key prefix, key;
	int status;

	key_object(&prefix, object);
	extent_row_key(&key, &prefix, unit);
	status = kv->ops->get(kv, NULL, KV_TIER_ALL, key_slice(&key), &value);
	if (status == 0)
		status = extent_row_decode(value.data, row);
	kv_value_close(&value);
	return status;
}

struct rewrite_context {
	struct rewrite *rewrite;
	const struct raft_entry *entry;
};

/* A row that no longer exists maps nothing. */
static int rewrite_mutation(void *argument, const struct mutation *mutation)
{
	const struct rewrite_context *context = argument;
	struct rewrite *rewrite = context->rewrite;
	struct extent_row row;
	int status = 0;

	if (mutation->kind != MUTATION_WRITE || mutation->is_beside)
		return 0;
	for (uint64_t i = 0; i < mutation->count && status == 0; i++) {
		const struct extent_unit *unit = &row.units[(mutation->first + i) % EXTENT_ROW_UNITS];

		status = read_row(rewrite->engines->kv, mutation->key, mutation->first + i, &row);
		if (status == STATUS_NOT_FOUND)
			status = 0;
		else if (status == 0 && unit->address != EXTENT_HOLE && unit->region == rewrite->region &&
			 unit->index == context->entry->index)
			status = gather(rewrite, unit->address, context->entry->data,
				(const uint8_t *)mutation->payload.data + i * BLOCK_UNIT_SIZE);
	}
	return status;
}

int rewrite_entry(struct rewrite *rewrite, const struct raft_entry *entry)
{
	struct rewrite_context context = {rewrite, entry};
	uint64_t epoch_version;

	if (entry->type != RAFT_ENTRY_NORMAL || !entry->data || region_split_is(entry))
		return 0;
	return mutations_each(entry, &epoch_version, rewrite_mutation, &context);
}
