/*
 * ReadIndex (paper §8, Ongaro §6.4), on the leader:
 *
 *  1. It waits until it has committed an entry of its own term, before which it does not know the newest commit index.
 *  2. It takes the commit index as the read index.
 *  3. A quorum answers a round of heartbeats: no later leader had been elected when the round was sent. The round must
 *     be sent after the read came, or another leader could have committed entries in between.
 *  4. The reader waits until it has applied up to the read index.
 *
 * A lease replaces step 3 (Ongaro §6.4.1), never step 1.
 */
#include "raft/core.h"

#include <errno.h>

#include "proto/plant.h"
#include "raft/array.h"

#define ROUND_SIZE 8 /* bytes of a heartbeat's context: the number of the newest read, little endian */

bool raft_has_committed_in_term(const struct raft *raft)
{
	return raft->term_first > 0 && raft->log.committed >= raft->term_first;
}

/* Answers the follower `to`, or with RAFT_NONE this node's caller; takes `context`. */
static void answer(struct raft *raft, uint64_t to, uint64_t index, struct buf *context, bool reject)
{
	struct progress *progress;

	if (to == RAFT_NONE) {
		raft_push_read_state(raft, index, context, reject ? STATUS_STALE_COMMAND : 0);
		return;
	}
	raft_send(raft, (struct raft_message){
				.type = RAFT_MSG_READ_INDEX_RESP,
				.to = to,
				.index = index,
				.reject = reject,
				.context = context,
			});
	/* It waits until it has applied up to the index. */
	progress = raft->delay_commit && !reject ? tracker_find(&raft->tracker, to) : NULL;
	if (progress && raft_has_unsent_commit(raft, progress))
		raft_send_append(raft, progress, true);
}

/* Whether this leader may skip the round of heartbeats: it is the only voter, or reads rely on its lease, which is no
 * longer to be relied on once TimeoutNow was sent. */
static bool may_answer_at_once(const struct raft *raft)
{
	if (tracker_is_singleton(&raft->tracker) && raft_ids_has(&raft->tracker.conf.voters, raft->id))
		return true;
	if (planted("raft:read_without_quorum"))
		return true;
	return raft->read_mode == RAFT_READ_LEASE_BASED && !raft->is_lease_suspect;
}

int raft_take_read(struct raft *raft, uint64_t from, struct buf *context)
{
	bool has_committed = raft_has_committed_in_term(raft);
	int rc = array_reserve(&raft->read_states, raft->reads.count + 1);

	if (rc)
		return rc;
	if (has_committed && may_answer_at_once(raft)) {
		answer(raft, from, raft->log.committed, buf_ref(context), false);
		return 0;
	}
	rc = read_queue_push(&raft->reads, from, has_committed ? raft->log.committed : 0, context);
	/* A leader that is the only voter of both halves of a joint configuration gets no heartbeat response to do so. */
	if (rc == 0 && has_committed)
		raft_confirm_reads(raft);
	return rc;
}

/* MsgReadIndex of a follower: `context` is the follower's id for the read. */
int raft_on_read_index(struct raft *raft, const struct raft_message *message)
{
	int rc = raft_take_read(raft, message->from, message->context);

	return rc == STATUS_LIMIT ? raft_refuse_read_index(raft, message) : rc;
}

/* MsgReadIndex that reached a node which no longer leads. */
int raft_forward_read_index(struct raft *raft, const struct raft_message *message)
{
	if (raft->leader == RAFT_NONE || raft->leader == message->from)
		return raft_refuse_read_index(raft, message);
	raft_send(raft, (struct raft_message){
				.type = RAFT_MSG_READ_INDEX,
				.to = raft->leader,
				.from = message->from,
				.context = buf_ref(message->context),
			});
	return 0;
}

int raft_refuse_read_index(struct raft *raft, const struct raft_message *message)
{
	log_info(raft->logger, "%lx no leader at term %lu; refusing index reading msg", raft->id, raft->term);
	answer(raft, message->from, 0, buf_ref(message->context), true);
	return 0;
}

/* MsgReadIndexResp: `index` is the read index for the read `context`; `reject`: ask again. A response of an earlier term
 * is passed on as stale, so that the caller need not wait for a timeout. */
int raft_on_read_index_response(struct raft *raft, const struct raft_message *message)
{
	bool is_stale = message->reject || message->term < raft->term;
	int rc = array_reserve(&raft->read_states, raft->reads.count + 1);

	if (rc)
		return rc;
	raft_push_read_state(raft, is_stale ? 0 : message->index, buf_ref(message->context),
		is_stale ? STATUS_STALE_COMMAND : 0);
	return 0;
}

/* ---- Rounds ----------------------------------------------------------------------------------------------------- */

void raft_release_reads(struct raft *raft)
{
	if (raft->reads.count > 0 && raft_has_committed_in_term(raft)) {
		read_queue_release(&raft->reads, raft->log.committed);
		raft_confirm_reads(raft);
	}
}

struct buf *raft_read_context(struct raft *raft)
{
	const struct read_queue *reads = &raft->reads;
	uint64_t newest = read_queue_newest(reads);
	struct buf *context;

	if (reads->count == 0 || reads->items[reads->head].index == 0)
		return NULL;
	context = buf_new(ROUND_SIZE);
	if (!context)
		return NULL;
	for (unsigned i = 0; i < ROUND_SIZE; i++)
		((uint8_t *)context->data)[i] = (uint8_t)(newest >> (8 * i));
	raft->reads.is_round_due = false;
	return context;
}

uint64_t raft_read_round_of(const struct buf *context)
{
	uint64_t round = 0;

	if (!context || context->size != ROUND_SIZE)
		return 0;
	for (unsigned i = 0; i < ROUND_SIZE; i++)
		round |= (uint64_t)((const uint8_t *)context->data)[i] << (8 * i);
	return round;
}

int raft_flush_reads(struct raft *raft)
{
	struct buf *context;

	if (raft->role != RAFT_LEADER || !raft->reads.is_round_due)
		return 0;
	context = raft_read_context(raft);
	if (!context)
		return -ENOMEM;
	raft_broadcast_heartbeat(raft, context);
	buf_unref(context);
	return 0;
}

/* The leader counts itself. Only a response that names this round or a later one counts: an older heartbeat may have been
 * answered before another leader was elected. */
void raft_confirm_reads(struct raft *raft)
{
	struct read_queue *reads = &raft->reads;
	struct progress *self = tracker_find(&raft->tracker, raft->id);
	uint64_t round;

	if (self)
		self->read_round = read_queue_newest(reads);
	round = tracker_read_round(&raft->tracker);
	while (reads->count > 0 && reads->items[reads->head].index > 0 && reads->confirmed < round) {
		struct read_request request = read_queue_pop(reads);

		answer(raft, request.from, request.index, request.context, false);
	}
}

void raft_abort_reads(struct raft *raft)
{
	while (raft->reads.count > 0) {
		struct read_request request = read_queue_pop(&raft->reads);

		answer(raft, request.from, 0, request.context, true);
	}
	read_queue_reset(&raft->reads);
}
