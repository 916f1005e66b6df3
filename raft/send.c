/* Outgoing messages: the term that they carry, and whether they wait for the disk. */
#include "raft/core.h"

#include "proto/check.h"
#include "proto/plant.h"
#include "raft/array.h"

/* Responses to votes, reads and appends that one step sends besides one message to every peer. */
#define RESPONSES_PER_STEP 4

int raft_reserve(struct raft *raft)
{
	int rc = array_reserve(&raft->messages, raft->tracker.count + raft->reads.count + RESPONSES_PER_STEP);

	return rc ? rc : array_reserve(&raft->after_append, RESPONSES_PER_STEP);
}

static bool is_vote(enum raft_message_type type)
{
	return type == RAFT_MSG_VOTE || type == RAFT_MSG_VOTE_RESP || type == RAFT_MSG_PRE_VOTE ||
	       type == RAFT_MSG_PRE_VOTE_RESP;
}

/* Figure 2: term, vote and log are on stable storage before the server responds (Ongaro §3.8). An acknowledgement or
 * vote that a crash takes back could commit an entry that is lost, or elect two leaders. Rejections wait as well: the
 * term that they carry may not be durable yet. */
static bool waits_for_append(enum raft_message_type type)
{
	return type == RAFT_MSG_APP_RESP || type == RAFT_MSG_VOTE_RESP || type == RAFT_MSG_PRE_VOTE_RESP;
}

void raft_send(struct raft *raft, struct raft_message message)
{
	struct raft_messages *queue = waits_for_append(message.type) ? &raft->after_append : &raft->messages;

	if (message.from == RAFT_NONE)
		message.from = raft->id;
	/* Votes name the term that they are about. Proposals and reads have none: they are for whichever node leads when
	 * they arrive. */
	if (!is_vote(message.type) && message.type != RAFT_MSG_PROP && message.type != RAFT_MSG_READ_INDEX)
		message.term = raft->term;
	if (planted("raft:ack_before_persisted") && message.to != raft->id)
		queue = &raft->messages;
	check(queue->count < queue->capacity);
	queue->items[queue->count++] = message;
}

void raft_push_read_state(struct raft *raft, uint64_t index, struct buf *context, int status)
{
	check(raft->read_states.count < raft->read_states.capacity);
	raft->read_states.items[raft->read_states.count++] =
		(struct raft_read_state){.index = index, .context = context, .status = status};
}
