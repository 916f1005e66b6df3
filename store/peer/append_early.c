/*
 * append_early.c: commits entries before the log is durable, where this is the only replica (log_tail.h).
 *
 * The record is put into the tail, which outlives the process. Then this replica's own acknowledgement is stepped, so that
 * the entries are committed, applied and answered; Raft keeps them unstable until the log has them. An entry is committed
 * early only if all before it are durable or in the tail. A membership change is not, nor anything until it is applied:
 * what another replica gets, this one must have durably. Nor is a split.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plant.h"
#include "store/peer/append_internal.h"

/* Of a split, the log must have all before it: what is begun for the new region has no room to wait for. */
static bool changes_region(const struct peer *peer)
{
	return peer->change_index > peer->applied.index || peer->split_index > peer->applied.index;
}

static bool may_be_early(const struct append *append)
{
	struct peer *peer = append->peer;
	struct raftkv *raftkv = peer_store(peer);

	if (!raftkv->engines.tail || append->message.entries.count == 0 || !peer_is_serving(peer))
		return false;
	PLANT("early:behind_late", return true);
	return atomic_load(&raftkv->is_early) && peer_is_alone(peer) && peer->appends.late == 0 &&
	       !peer->appends.is_held && !changes_region(peer) &&
	       !raftkv->engines.log->ops->is_short(raftkv->engines.log);
}

static int copy_beside(struct append *append)
{
	size_t count = append->message.entries.count, size = 0;
	uint8_t *at;

	for (size_t i = 0; append->beside && i < count; i++)
		size += append->beside[i].size;
	if (size == 0 || append->beside_copy)
		return 0;
	append->beside_copy = at = malloc(size);
	if (!at)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct slice *beside = &append->beside[i];

		if (beside->size == 0)
			continue;
		memcpy(at, beside->data, beside->size);
		*beside = slice_of(at, beside->size);
		at += beside->size;
	}
	return 0;
}

/*
 * Several appends that wait become one write of the disk. None waits where somebody has waited for the log a moment ago, as
 * a program does that syncs each of its writes: its log write would come behind the writes of what is applied.
 */
#define HURRY_NS   (2 * NS_PER_MS) /* how long one waits for others */
#define AWAITED_NS (10 * NS_PER_MS)

static void let_wait(struct append *append)
{
	struct raftkv *raftkv = peer_store(append->peer);
	uint64_t awaited = atomic_load_explicit(&raftkv->log_awaited, memory_order_relaxed);
	uint64_t now = env_now(raftkv->engines.env);

	if (append->peer->shard->is_stopping || (awaited > 0 && now < awaited + AWAITED_NS))
		return;
	append->write.may_wait = true;
	if (append->peer->appends.hurry_at == 0)
		append->peer->appends.hurry_at = now + HURRY_NS;
	PLANT("early:waits_for_ever", append->peer->appends.hurry_at = 0);
}

void append_take_early(struct append *append)
{
	/* One that the log has refused is there already. */
	if (append->tail_number == 0 && may_be_early(append) && copy_beside(append) == 0)
		append->tail_number = log_tail_put(peer_engines(append->peer)->tail, &append->write);
	append->write.is_promised = append->tail_number > 0;
	if (append->tail_number > 0)
		let_wait(append);
	else
		append->peer->appends.late++;
}

/* All but the one that makes the entries stable, which is the last. */
static size_t count_early(const struct raft_message *message)
{
	size_t count = message->response_count;

	return count > 0 && message->responses[count - 1].type == RAFT_MSG_STORAGE_APPEND_RESP ? count - 1
											       : count;
}

void append_respond_early(struct append *append)
{
	if (append->tail_number == 0 || append->responded > 0)
		return;
	append->responded = count_early(&append->message);
	peer_respond(append->peer, append->message.responses, append->responded);
}

void append_settle_early(struct append *append)
{
	if (append->tail_number > 0)
		log_tail_settle(peer_engines(append->peer)->tail, append->tail_number);
}
