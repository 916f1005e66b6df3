/* Ends the grace of inodes without a name, once every session that has one open holds it. */
#include "fs/cluster/coordinator_internal.h"
#include "proto/plant.h"

#define GRACE_NS                                                                                             \
	(1000 * NS_PER_MS) /* at least, after the sessions are asked: time to open a name just looked up */
#define TERM_SHIFT 32 /* of a notice's number, so that those of a later term are greater */

void coordinator_begin_grace(struct coordinator *coordinator)
{
	struct grace *grace = coordinator->grace;
	struct session_notice notice;

	if (grace->state != GRACE_IDLE || coordinator->review->nameless.count == 0)
		return;
	grace->inodes = coordinator->review->nameless;
	if (ino_ranges_encode(&grace->inodes, &notice.inodes) < 0)
		return;
	notice.number = coordinator->term << TERM_SHIFT | ++grace->notices;
	grace->state = GRACE_ASKING;
	grace->asked = env_now(coordinator->env);
	grace->range = grace->offset = 0;
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

/* The inode at a position, which moves to the next one. False: there are no more. */
static bool take_next(const struct ino_ranges *inodes, uint32_t *range, uint32_t *offset, uint64_t *ino)
{
	if (*range == inodes->range_count)
		return false;
	*ino = inodes->ranges[*range].first + *offset;
	if (++*offset == inodes->ranges[*range].count) {
		*offset = 0;
		++*range;
	}
	return true;
}

static void end_some(struct coordinator *coordinator)
{
	struct grace *grace = coordinator->grace;
	struct writer writer = writer_fixed(grace->bytes, sizeof grace->bytes);
	uint32_t range = grace->range, offset = grace->offset;
	struct op op = {.kind = OP_GRACE_END};
	uint64_t ino;

	grace->sent = 0;
	while (grace->sent < OP_GRACE_END_COUNT_MAX && take_next(&grace->inodes, &range, &offset, &ino)) {
		writer_u64be(&writer, ino);
		grace->sent++;
	}
	op.grace_end.inos = writer_written(&writer);
	coordinator_run(coordinator, &op);
}

bool coordinator_end_grace(struct coordinator *coordinator)
{
	struct grace *grace = coordinator->grace;

	if (grace->state == GRACE_ASKING && may_end(coordinator)) {
		session_table_end_asking(&coordinator->table);
		grace->state = GRACE_ENDING;
	}
	if (grace->state != GRACE_ENDING)
		return false;
	end_some(coordinator);
	return true;
}

void coordinator_on_grace_ended(struct coordinator *coordinator)
{
	struct grace *grace = coordinator->grace;
	uint64_t ino;

	for (uint32_t i = 0; i < grace->sent; i++)
		take_next(&grace->inodes, &grace->range, &grace->offset, &ino);
	if (grace->range == grace->inodes.range_count)
		grace->state = GRACE_IDLE;
}
