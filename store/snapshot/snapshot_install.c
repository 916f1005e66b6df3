#include "store/snapshot/snapshot_install.h"

#include <errno.h>

#include "proto/plant.h"
#include "proto/codec.h"

#define BATCH_SIZE (256u << 10) /* bytes of rows in one batch */

struct install {
	struct kv_engine *kv;
	struct kv_batch *batch;
};

static int install_write_batch(struct install *install)
{
	int status = install->kv->ops->write(install->kv, install->batch);

	install->kv->ops->batch_clear(install->batch);
	return status;
}

static int put_row(void *argument, struct slice key, struct slice value)
{
	struct install *install = argument;

	install->kv->ops->batch_put(install->batch, key, value);
	return install->kv->ops->batch_size(install->batch) < BATCH_SIZE ? 0 : install_write_batch(install);
}

/* Written last: with its state rows the region exists. */
static int put_states(struct install *install, const struct snapshot_position *position)
{
	int status = region_state_put(install->kv, install->batch, &position->region);

	if (status < 0)
		return status;
	apply_state_put(install->kv, install->batch, position->region.id, &position->applied);
	return install_write_batch(install);
}

static int check_persisted(struct kv_engine *kv, const struct snapshot_position *position)
{
	struct apply_state state = {0};
	int status = apply_state_get(kv, NULL, KV_TIER_PERSISTED, position->region.id, &state);

	if (status == STATUS_NOT_FOUND || (status == 0 && state.index != position->applied.index))
		status = STATUS_CORRUPT;
	return status;
}

int snapshot_install(struct engines *engines, struct snapshot_stage *stage)
{
	const struct snapshot_position *position = snapshot_stage_position(stage);
	struct kv_engine *kv = engines->kv;
	struct install install = {kv, kv->ops->batch_new(kv)};
	int status;

	if (!install.batch)
		return -ENOMEM;
	status = snapshot_stage_each(stage, put_row, &install);
	if (status == 0)
		status = put_states(&install, position);
	kv->ops->batch_free(install.batch);
	PLANT("snapshot:normal_before_flush", return status);
	if (status == 0)
		status = kv->ops->flush(kv, NULL, NULL);
	return status == 0 ? check_persisted(kv, position) : status;
}

int snapshot_applying(struct log_engine *log, uint64_t region, struct snapshot_position *position)
{
	struct buf *value;
	int status = log->ops->mark(log, region, SNAPSHOT_MARK_APPLYING, &value);

	if (status < 0)
		return status;
	status = snapshot_position_decode(buf_slice(value), position);
	buf_unref(value);
	if (status == 0 && position->region.id != region) {
		region_close(&position->region);
		status = STATUS_CORRUPT;
	}
	return status;
}

int snapshot_empty_init(struct log_engine *log, const struct snapshot_position *position,
	const struct raft_hard_state *hard_state, struct snapshot_empty *empty)
{
	struct snapshot_position kept = *position;
	uint64_t tombstone;
	int status = tombstone_read(log, position->region.id, &tombstone);

	*empty = (struct snapshot_empty){.hard_state = *hard_state};
	kept.stage = 0;
	if (status == 0)
		status = snapshot_position_encode(&kept, &empty->position);
	if (status < 0)
		return status;
	empty->marks[0] = (struct log_mark){SNAPSHOT_MARK_APPLYING, buf_slice(empty->position)};
	empty->marks[1] = tombstone_mark(tombstone, empty->tombstone);
	empty->hard_state.commit = 0;
	empty->write = (struct log_write){.region = position->region.id,
		.destroy = true,
		.hard_state = hard_state->term > 0 ? &empty->hard_state : NULL,
		.marks = empty->marks,
		.mark_count = tombstone > 0 ? 2 : 1};
	return 0;
}

void snapshot_empty_close(struct snapshot_empty *empty)
{
	buf_unref(empty->position);
	empty->position = NULL;
}
