/* Entries become changes of the batch: their mutations, changes of membership, splits. */
#include "store/apply/apply_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "store/apply/split_rows.h"
#include "store/rows/rows.h"

#define SMALL_UNITS_MAX (MUTATIONS_BESIDE_SIZE / BLOCK_UNIT_SIZE)

/* ---- Small payloads --------------------------------------------------------------------------------------------- */

static bool extend_write(struct apply *apply, struct block_extent extent, uint8_t *bytes)
{
	struct apply_write *write = apply->writes;
	struct blocks_request *request = write ? &write->request : NULL;

	if (!write || request->extent.address + request->extent.count != extent.address ||
		request->vector_count == APPLY_VECTOR_MAX)
		return false;
	request->extent.count += extent.count;
	write->vector[request->vector_count++] =
		(struct iovec){bytes, (size_t)extent.count * BLOCK_UNIT_SIZE};
	return true;
}

static int add_write(struct apply *apply, struct block_extent extent, const uint8_t *bytes)
{
	uint8_t *from = (uint8_t *)bytes; /* an iovec has no const */
	struct apply_write *write;

	if (extend_write(apply, extent, from))
		return 0;
	write = calloc(1, sizeof *write);
	if (!write)
		return -ENOMEM;
	write->apply = apply;
	write->request.extent = extent;
	write->request.vector = write->vector;
	write->request.vector_count = 1;
	write->vector[0] = (struct iovec){from, (size_t)extent.count * BLOCK_UNIT_SIZE};
	write->next = apply->writes;
	apply->writes = write;
	return 0;
}

/* Takes extents for `count` units of the entry's small payloads: from its reserve, or new ones if there was no room for
 * the reserve when the store was opened. At most `count` extents. */
static int take_extents(
	struct apply *apply, struct payload *reserve, uint32_t count, struct block_extent *extents)
{
	int status = 0;

	if (reserve && payload_take(reserve, count, extents))
		return 0;
	while (count > 0 && status == 0) {
		status = blocks_allocate(apply->engines->blocks, BLOCKS_COMMITTED, count, extents);
		if (status == 0)
			count -= extents->count;
		extents++;
	}
	return status;
}

/* Takes extents for the units and begins their deferred write. */
static int place(struct apply *apply, struct payload *reserve, const uint8_t *bytes, uint32_t count,
	struct block_extent *extents)
{
	int status = take_extents(apply, reserve, count, extents);

	while (count > 0 && status == 0) {
		status = add_write(apply, *extents, bytes);
		bytes += (size_t)extents->count * BLOCK_UNIT_SIZE;
		count -= extents->count;
		extents++;
	}
	return status;
}

/* ---- Mutations -------------------------------------------------------------------------------------------------- */

struct apply_context {
	struct apply *apply;
	struct apply_task *task;
	const struct raft_entry *entry;
	const struct region *region;
	struct payload *payload; /* the payload of the entry's large bytes; NULL: none */
	struct payload *reserve; /* the reserve for its small payloads; NULL: none */
	uint64_t epoch_version;
};

static int write_units(struct apply_context *context, const struct mutation *mutation)
{
	struct apply *apply = context->apply;
	struct block_extent small[SMALL_UNITS_MAX];
	struct block_extent *extents = small;
	uint32_t count = (uint32_t)mutation->count;
	int status = 0;

	if (mutation->is_beside) {
		extents = payload_extents(context->payload);
		if (!extents)
			return -ENOMEM;
	} else {
		status = place(apply, context->reserve, mutation->payload.data, count, small);
		context->task->has_deferred = true;
	}
	if (status == 0)
		status = extent_edits_write(&apply->edits, apply->engines->kv, mutation->key, mutation->first,
			count, extents, mutation->checksums, context->region->id, context->entry->index);
	if (mutation->is_beside)
		free(extents);
	return status;
}

static int apply_mutation(void *argument, const struct mutation *mutation)
{
	struct apply_context *context = argument;
	struct apply *apply = context->apply;
	struct kv_engine *kv = apply->engines->kv;
	struct key key, high;

	switch (mutation->kind) {
	case MUTATION_PUT:
		key_row(&key, context->region->id, mutation->space, mutation->key);
		kv->ops->batch_put(apply->batch, key_slice(&key), mutation->value);
		return 0;
	case MUTATION_DELETE:
		key_row(&key, context->region->id, mutation->space, mutation->key);
		kv->ops->batch_delete(apply->batch, key_slice(&key));
		return 0;
	case MUTATION_DELETE_RANGE:
		key_row(&key, context->region->id, mutation->space, mutation->key);
		key_row(&high, context->region->id, mutation->space, mutation->high);
		kv->ops->batch_delete_range(apply->batch, key_slice(&key), key_slice(&high));
		return 0;
	case MUTATION_WRITE:
		return write_units(context, mutation);
	case MUTATION_UNMAP:
		return extent_edits_unmap(&apply->edits, kv, mutation->key, mutation->first, mutation->count);
	}
	return STATUS_CORRUPT;
}

/* Checks each mutation of the entry before any of them is applied. */
static int admit_mutation(void *argument, const struct mutation *mutation)
{
	const struct apply_context *context = argument;
	const struct region *region = context->region;
	struct slice end = buf_slice(region->end);

	if (context->epoch_version != region->epoch.version)
		return STATUS_EPOCH_NOT_MATCH;
	if (mutation->space == KEY_LOCAL)
		return 0;
	if (!region_has_key(region, mutation->key))
		return STATUS_KEY_NOT_IN_REGION;
	if (mutation->kind == MUTATION_DELETE_RANGE && end.size > 0 && slice_compare(end, mutation->high) < 0)
		return STATUS_KEY_NOT_IN_REGION;
	return 0;
}

/* ---- Entries ---------------------------------------------------------------------------------------------------- */

static bool is_refusal(int status)
{
	return status == STATUS_EPOCH_NOT_MATCH || status == STATUS_KEY_NOT_IN_REGION ||
	       status == STATUS_CONF_CHANGE_INVALID;
}

/* Finds the payload and the reserve of the entry. */
static int take_payloads(struct apply_context *context)
{
	struct apply_task *task = context->task;
	const struct raft_entry *entry = context->entry;

	context->payload = NULL;
	context->reserve = NULL;
	while (task->payloads && task->payloads->index == entry->index) {
		struct payload *payload = task->payloads;

		task->payloads = payload->next;
		if (payload->is_reserve)
			context->reserve = payload;
		else
			context->payload = payload;
	}
	return (entry->payload_size > 0) == (context->payload != NULL) ? 0 : STATUS_CORRUPT;
}

/* Rows name the extents of a payload now, unless the entry was refused. A reserve has only its unused extents left. */
static void drop_payloads(struct apply_context *context, bool is_refused)
{
	struct blocks *blocks = context->apply->engines->blocks;
	uint64_t mark = kv_flush_mark(context->apply->flush);

	if (context->payload && is_refused)
		payload_release(context->payload, blocks, mark);
	else
		payload_free(context->payload);
	if (context->reserve)
		payload_release(context->reserve, blocks, mark);
}

static int apply_normal(struct apply_context *context)
{
	const struct raft_entry *entry = context->entry;
	int status = take_payloads(context);

	if (status == 0)
		status = mutations_each(entry, &context->epoch_version, admit_mutation, context);
	if (status == 0)
		status = mutations_each(entry, &context->epoch_version, apply_mutation, context);
	if (is_refusal(status))
		log_error(context->apply->engines->logger,
			"region %llu refused entry %llu: it was proposed under another epoch",
			(unsigned long long)context->region->id, (unsigned long long)entry->index);
	if (context->payload || context->reserve)
		drop_payloads(context, is_refusal(status));
	return status;
}

/* Changes the region's membership in the batch of its entry. The peer follows once the batch is visible. */
static int apply_change(struct apply_context *context)
{
	struct apply *apply = context->apply;
	int status = region_change_apply(&context->task->region->region, context->entry, NULL);

	if (is_refusal(status))
		log_warn(apply->engines->logger,
			"region %llu refused the membership change of entry %llu: %s",
			(unsigned long long)context->region->id, (unsigned long long)context->entry->index,
			status_name(status));
	return status < 0 ? status : region_state_put(apply->engines->kv, apply->batch, context->region);
}

/* Makes both halves, and adds their rows to the batch, which has nothing else. */
static int divide(struct apply_context *context, const struct region_split *split)
{
	struct apply *apply = context->apply;
	struct apply_region *region = context->task->region;
	struct region *halves = context->task->halves;
	int status = region_split_apply(&region->region, split, &halves[0], &halves[1]);

	if (status == 0)
		status = split_rows_put(
			apply->engines->kv, apply->batch, apply->evaluator, &halves[0], &halves[1]);
	if (status < 0)
		return status;
	region_close(&region->region);
	return region_copy(&region->region, &halves[0]);
}

static int apply_split(struct apply_context *context)
{
	struct region_split split;
	int status = region_split_decode(context->entry, &split);

	check(context->task->is_split);
	if (status == 0)
		status = divide(context, &split);
	if (is_refusal(status))
		log_error(context->apply->engines->logger, "region %llu refused the split of entry %llu: %s",
			(unsigned long long)context->region->id, (unsigned long long)context->entry->index,
			status_name(status));
	return status;
}

static int apply_entry(struct apply_context *context)
{
	const struct raft_entry *entry = context->entry;

	if (entry->type != RAFT_ENTRY_NORMAL)
		return apply_change(context);
	if (region_split_is(entry))
		return apply_split(context);
	return entry->data ? apply_normal(context) : 0;
}

static void put_apply_state(struct apply *apply, const struct apply_task *task)
{
	const struct raft_entries *entries = &task->message.entries;
	const struct raft_entry *last = &entries->items[entries->count - 1];
	struct apply_state state = {last->index, last->term};

	apply_state_put(apply->engines->kv, apply->batch, task->region->region.id, &state);
}

/* A fault for tests (PLANT): writes the apply state before the rows. */
static void write_state_ahead(struct apply *apply, const struct apply_task *task)
{
	struct kv_engine *kv = apply->engines->kv;
	struct kv_batch *rows = apply->batch;

	apply->batch = kv->ops->batch_new(kv);
	put_apply_state(apply, task);
	kv->ops->write(kv, apply->batch);
	kv->ops->batch_free(apply->batch);
	apply->batch = rows;
}

int apply_task_entries(struct apply *apply, struct apply_task *task)
{
	struct apply_region *region = task->region;
	const struct raft_entries *entries = &task->message.entries;
	struct apply_context context = {.apply = apply, .task = task, .region = &region->region};

	for (size_t i = 0; i < entries->count; i++) {
		context.entry = &entries->items[i];
		check(context.entry->index == region->index + 1);
		region->index = context.entry->index;
		task->size += raft_entry_payload_size(context.entry);
		task->statuses[i] = apply_entry(&context);
		if (task->statuses[i] < 0 && !is_refusal(task->statuses[i]))
			return task->statuses[i];
	}
	put_apply_state(apply, task);
	PLANT("store:apply_state_ahead", write_state_ahead(apply, task));
	return 0;
}
