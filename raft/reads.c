/* ReadIndex (Ongaro §6.4): who answers a read, and when. */
#include "raft/core.h"

#include <errno.h>

#include "proto/plant.h"
#include "raft/array.h"

#define ROUND_SIZE 8 /* bytes of a heartbeat's context: the number of the newest read, little endian */

bool raft_has_committed_in_term(const struct raft *raft)
{
	return raft->term_first > 0 && raft->log.committed >= raft->term_first;
}

/* The answer goes to the follower that asked or to this node's caller; `context` is taken. */
static void answer(struct raft *raft, uint64_t to, uint64_t index, struct buf *context, bool reject)
{
	if (to == RAFT_NONE)
		raft_push_read_state(raft, index, context, reject ? STATUS_STALE_COMMAND : 0);
	else
		raft_send(raft, (struct raft_message){
					.type = RAFT_MSG_READ_INDEX_RESP,
					.to = to,
					.index = index,
					.reject = reject,
					.context = context,
				});
}

/* Whether this leader need not ask anybody before it answers. */
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
	/* Before its first commit a leader does not know what its predecessors have committed. */
	if (has_committed && may_answer_at_once(raft)) {
		answer(raft, from, raft->log.committed, buf_ref(context), false);
		return 0;
	}
	rc = read_queue_push(&raft->reads, from, has_committed ? raft->log.committed : 0, context);
	if (rc == 0 && has_committed)
		raft_confirm_reads(
			raft); /* alone in both halves of a joint configuration: nobody else will */
	return rc;
}

/* MsgReadIndex of a follower: `context` is its id for the read. */
int raft_on_read_index(struct raft *raft, const struct raft_message *message)
{
	int rc = raft_take_read(raft, message->from, message->context);

	return rc == STATUS_LIMIT ? raft_refuse_read_index(raft, message) : rc;
}

/* MsgReadIndex that reached a node which was the leader once. */
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

/* MsgReadIndexResp: `index` is the answer to the read `context`; `reject`: ask again. An answer of an earlier term
 * still ends the wait of whoever asked. */
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
