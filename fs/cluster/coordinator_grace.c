/*
 * Ends the grace of inodes without a name, once every session that has one open holds it. The coordinator reads region 1
 * for such inodes; the stores report those of the other regions that they lead. What a region does not let go of is read
 * or reported again.
 */
#include "fs/cluster/coordinator_internal.h"
#include "proto/plant.h"

#define GRACE_NS                                                                                             \
	(1000 * NS_PER_MS) /* at least, after the sessions are asked: time to open a name just looked up */
#define TERM_SHIFT 32 /* of a notice's number, so that those of a later term are greater */

void coordinator_note_nameless(struct coordinator *coordinator, const struct ino_ranges *nameless)
{
	struct grace *grace = coordinator->grace;

	if (grace->state != GRACE_IDLE || nameless->count == 0)
		return;
	ino_ranges_join(&grace->reported, nameless, &grace->joined);
	grace->reported = grace->joined;
}

void coordinator_begin_grace(struct coordinator *coordinator)
{
	struct grace *grace = coordinator->grace;
	struct session_notice notice;

	if (grace->state != GRACE_IDLE)
		return;
	ino_ranges_join(&coordinator->review->nameless, &grace->reported, &grace->inodes);
	ino_ranges_clear(&grace->reported);
	if (grace->inodes.count == 0)
		return;
	if (ino_ranges_encode(&grace->inodes, &notice.inodes) < 0)
		return;
	notice.number = coordinator->term << TERM_SHIFT | ++grace->notices;
	grace->state = GRACE_ASKING;
	grace->asked = env_now(coordinator->env);
	grace->position = (struct ino_position){0};
	session_table_ask(&coordinator->table, notice);
}

static bool may_end(struct coordinator *coordinator)
{
	if (env_now(coordinator->env) - coordinator->grace->asked < GRACE_NS)
		return false;
	if (planted("grace:cut_short"))
		return true;
	return session_table_is_answered(&coordinator->table);
}

static bool is_in_region_1(const struct coordinator *coordinator, uint64_t dirid)
{
	struct fs_key key = fs_key_dirid(dirid);
	struct region range;
	bool is_in;

	if (raftkv_region_range(coordinator->options.raftkv, CLUSTER_REGION, &range) < 0)
		return false;
	is_in = !range.end || slice_compare(fs_key_slice(&key), buf_slice(range.end)) < 0;
	region_close(&range);
	return is_in;
}

/* To the region of the first: the inodes that follow may lie in the next one. */
static void end_some(struct coordinator *coordinator)
{
	struct grace *grace = coordinator->grace;
	struct writer writer = writer_fixed(grace->bytes, sizeof grace->bytes);
	struct ino_position position = grace->position;
	struct op op = {.kind = OP_GRACE_END};
	uint64_t ino;

	grace->sent = 0;
	while (grace->sent < OP_GRACE_END_COUNT_MAX && ino_ranges_next(&grace->inodes, &position, &ino)) {
		if (grace->sent++ == 0)
			grace->first = fs_ino_dirid(ino);
		writer_u64be(&writer, ino);
	}
	op.grace_end.inos = writer_written(&writer);
	if (is_in_region_1(coordinator, grace->first))
		coordinator_run(coordinator, &op);
	else
		coordinator_ask(coordinator, &op, grace->first);
}

bool coordinator_end_grace(struct coordinator *coordinator)
{
	struct grace *grace = coordinator->grace;

	if (grace->state == GRACE_ASKING && may_end(coordinator)) {
		session_table_end_asking(&coordinator->table);
		grace->state = GRACE_ENDING;
	}
	if (grace->state != GRACE_ENDING || coordinator->asked.is_under_way)
		return false;
	end_some(coordinator);
	return coordinator->is_busy;
}

/* Inodes behind the region's end are sent again. An answer that does not say where that is, of an older program, counts
 * for all. */
void coordinator_on_grace_ended(struct coordinator *coordinator, const struct op_reply *reply)
{
	struct grace *grace = coordinator->grace;
	uint64_t end = reply->id > grace->first ? reply->id : FS_DIRID_END, ino;

	for (uint32_t i = 0; i < grace->sent; i++) {
		struct ino_position next = grace->position;

		if (!ino_ranges_next(&grace->inodes, &next, &ino) || fs_ino_dirid(ino) >= end)
			break;
		grace->position = next;
	}
	if (grace->position.range == grace->inodes.range_count)
		grace->state = GRACE_IDLE;
}
