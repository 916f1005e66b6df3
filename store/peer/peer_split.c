/*
 * Splits of a region, on the loop of its replica.
 *
 *   1  the leader measures the local rows (a worker), and proposes the split. It evaluates nothing more until the split
 *      is applied, and proposes no membership change
 *   2  every replica, when the entry is committed: its commit index is made durable, and then the new region's log
 *      begins, durably (peer_half.c). What follows in the log waits
 *   3  the split is applied, alone in its batch (apply.h)
 *   4  the router gets both ranges at once; then the new replica starts (peer_half.c)
 *
 * A crash before the batch of 3 is flushed: the split is applied again. A crash after 2: the new region's log is there,
 * with its term, its vote and perhaps entries, and is kept. The split is known to be committed then, and is applied
 * before the replica may be destroyed, or take a snapshot (peer_is_replaying): without it the log would have no rows.
 *
 * From the proposal of a split to its apply the leader's lease is not renewed. (The leader may be the last to have the
 * entry: the others may commit it and apply it first.) Until its apply it may serve reads of the new region's range, and
 * replicas of the new region on other stores wait for an election timeout after their own apply before they vote; so they
 * cannot have a leader while that lease is valid. The replica on the store that led at the apply need not wait: nobody
 * else can have a lease, and this store's router knows both ranges.
 */
#include "store/peer/peer_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/container.h"
#include "proto/plant.h"
#include "store/apply/split_rows.h"

/* ---- Proposing -------------------------------------------------------------------------------------------------- */

static void deliver_split(struct env_mail *mail)
{
	struct raftkv_split *split = container_of(mail, struct raftkv_split, mail);
	struct buf *key = split->key;

	split->done(split, split->status);
	buf_unref(key);
}

void peer_split_finish(struct raftkv_split *split, int status)
{
	split->status = status;
	env_post(split->loop, &split->mail, deliver_split);
}

static void split_finish(struct peer *peer, struct raftkv_split *split, int status)
{
	split->leader_store = status == STATUS_NOT_LEADER ? peer_leader_store(peer) : 0;
	split->now = peer->region.epoch;
	peer_split_finish(split, status);
}

static void on_split_finished(struct proposal *proposal, int status)
{
	struct raftkv_split *split = container_of(proposal, struct raftkv_split, proposal);

	split_finish(split->peer, split, status);
}

static struct region_split split_asked(const struct peer *peer, const struct raftkv_split *split)
{
	bool is_present = split->epoch.version == 0 && split->epoch.conf_version == 0;

	return (struct region_split){
		.epoch = is_present ? peer->region.epoch : split->epoch,
		.region = split->new_region,
		.key = buf_slice(split->key),
	};
}

/* Whether an entry that the split must not follow, or another split, is on its way; or a worker evaluates, which uses
 * the region's range. */
static bool is_busy(const struct peer *peer)
{
	return peer->applied.index < peer->split_index || peer->applied.index < peer->change_index ||
	       peer->evaluations.exclusive;
}

static int check_split(const struct peer *peer, const struct raftkv_split *split)
{
	struct evaluator *evaluator = peer_store(peer)->options.evaluator;
	struct region_split what;
	int status;

	if (peer->shard->is_stopping)
		return STATUS_STOPPING;
	if (!peer_is_here(peer))
		return STATUS_REGION_NOT_FOUND;
	if (!peer_is_serving(peer))
		return STATUS_NOT_LEADER;
	what = split_asked(peer, split);
	status = region_split_check(&peer->region, &what);
	if (status == 0 && (what.region == 0 || !evaluator->ops->may_begin(evaluator, what.key)))
		status = -EINVAL;
	return status == 0 && is_busy(peer) ? STATUS_LIMIT : status;
}

static int split_propose(struct peer *peer, struct raftkv_split *split)
{
	const struct region_split what = split_asked(peer, split);
	struct raft_entry entry = {.type = RAFT_ENTRY_NORMAL};
	int status = region_split_encode(&what, &entry.data);

	if (status == 0)
		status = raw_node_propose_entries(peer->raft_group, &entry, 1);
	buf_unref(entry.data);
	if (status < 0)
		return status == STATUS_PROPOSAL_DROPPED ? STATUS_NOT_LEADER : status;
	peer->split_index = peer_push_proposal(peer, &split->proposal, on_split_finished);
	PLANT("split:evaluated_on", return 0);
	peer->evaluations.hold_index = peer->split_index;
	return 0;
}

static void measure(struct env_work *work)
{
	struct raftkv_split *split = container_of(work, struct raftkv_split, work);
	struct kv_engine *kv = peer_engines(split->peer)->kv;

	split->status = split_rows_measure(kv, split->region, RAFTKV_SPLIT_LOCAL_MAX, &split->is_large);
}

static void on_measured(struct env_work *work)
{
	struct raftkv_split *split = container_of(work, struct raftkv_split, work);
	struct peer *peer = split->peer;
	int status = split->status;

	peer->splits_measured--;
	if (status == 0)
		status = split->is_large ? -EFBIG : check_split(peer, split);
	if (status == 0)
		status = split_propose(peer, split);
	if (status < 0)
		split_finish(peer, split, status);
	shard_mark(peer->shard, peer);
	shard_check_stopped(peer->shard);
}

void peer_split(struct peer *peer, struct raftkv_split *split)
{
	int status = check_split(peer, split);

	split->peer = peer;
	if (peer_is_here(peer))
		hibernation_wake(peer);
	if (status < 0) {
		split_finish(peer, split, status);
		return;
	}
	peer->splits_measured++;
	env_work_submit(peer->shard->loop, &split->work, measure, on_measured);
}

/* ---- Applying --------------------------------------------------------------------------------------------------- */

static void submit_next(struct peer *peer);

static void on_prepared(struct split_half *half)
{
	struct peer *peer = half->parent;

	if (half->status < 0 && half->status != STATUS_STOPPING)
		engines_fail(peer_engines(peer), half->status, "the log of a new region cannot begin");
	if (peer->shard->is_stopping || half->status < 0) {
		free(half);
		peer->is_split_over = true;
		if (peer->shard->is_stopping)
			peer_split_stop(peer);
		shard_check_stopped(peer->shard);
		return;
	}
	peer->half = half;
	apply_submit(&peer->shard->apply, peer->splitting);
	peer->splitting = NULL;
	submit_next(peer);
}

static void on_commit_durable(struct log_write *write, int status)
{
	struct split_half *half = container_of(write, struct split_half, write);

	half->status = status;
	if (status < 0)
		on_prepared(half);
	else
		half_prepare(peer_store(half->parent), half);
}

static void write_commit(struct split_half *half)
{
	struct peer *peer = half->parent;
	struct log_engine *log = peer_engines(peer)->log;

	half->hard_state = peer->appends.hard_state;
	half->write = (struct log_write){.region = peer->region.id,
		.hard_state = &half->hard_state,
		.loop = peer->shard->loop,
		.done = on_commit_durable};
	log->ops->write(log, &half->write);
}

static int prepare(struct peer *peer, const struct apply_task *task)
{
	struct split_half *half = calloc(1, sizeof *half);
	uint64_t index = task->message.entries.items[0].index;
	struct region_split split;
	int status = half ? region_split_decode(&task->message.entries.items[0], &split) : -ENOMEM;

	if (status < 0) {
		free(half);
		return status;
	}
	*half = (struct split_half){
		.parent = peer, .region = split.region, .id = peer->id, .prepared = on_prepared};
	append_raise_commit(peer, index);
	PLANT("split:commit_not_written", half_prepare(peer_store(peer), half); return 0);
	write_commit(half);
	return 0;
}

/* Hands waiting tasks to the apply thread, up to the next split. One split is under way at a time. */
static void submit_next(struct peer *peer)
{
	if (peer->shard->is_stopping)
		peer_split_stop(peer);
	while (peer->held && !peer->splitting) {
		struct apply_task *task = peer->held;
		int status = 0;

		if (task->is_split && peer->half)
			return;
		peer->held = (struct apply_task *)task->item.next;
		task->item.next = NULL;
		if (!task->is_split) {
			apply_submit(&peer->shard->apply, task);
			continue;
		}
		peer->splitting = task;
		status = prepare(peer, task);
		if (status < 0)
			engines_fail(peer_engines(peer), status, "a region cannot be split");
	}
}

void peer_submit(struct peer *peer, struct apply_task *task)
{
	struct apply_task **end = &peer->held;

	peer->applies_in_flight++;
	peer->splits_committed += task->is_split;
	if (!peer->held && !peer->splitting && !task->is_split) {
		apply_submit(&peer->shard->apply, task);
		return;
	}
	while (*end)
		end = (struct apply_task **)&(*end)->item.next;
	task->item.next = NULL;
	*end = task;
	submit_next(peer);
}

/* The part of the message from position `begin` on: the entries before the next split, or a split alone. The last part
 * has the message's responses. */
static struct apply_task *cut(
	struct peer *peer, struct raft_message *message, size_t begin, size_t end, bool is_last)
{
	struct raft_message part = {.type = message->type};
	struct apply_task *task = NULL;

	if (raft_entries_append(&part.entries, &message->entries.items[begin], end - begin) == 0)
		task = apply_task_new(&peer->apply, &part);
	if (task && is_last) {
		task->message.responses = message->responses;
		task->message.response_count = message->response_count;
		message->responses = NULL;
		message->response_count = 0;
	}
	raft_message_close(&part);
	return task;
}

static size_t find_end(const struct raft_message *message, size_t begin)
{
	size_t end = begin + 1;

	if (region_split_is(&message->entries.items[begin]))
		return end;
	while (end < message->entries.count && !region_split_is(&message->entries.items[end]))
		end++;
	return end;
}

struct apply_task *peer_cut(struct peer *peer, struct raft_message *message, size_t *begin)
{
	size_t count = message->entries.count, end = find_end(message, *begin);
	struct apply_task *task = *begin == 0 && end == count ? apply_task_new(&peer->apply, message)
							      : cut(peer, message, *begin, end, end == count);

	*begin = end;
	return task;
}

/* ---- Following -------------------------------------------------------------------------------------------------- */

void peer_on_split(struct peer *peer, struct apply_task *task)
{
	struct split_half *half = peer->half;
	struct region *lower = &task->halves[0], *upper = &task->halves[1];
	struct router *router = &peer_store(peer)->router;

	peer->half = NULL;
	peer->splits_committed--;
	if (task->statuses[0] < 0) {
		half_abandon(half);
		submit_next(peer);
		return;
	}
	atomic_fetch_add(&peer_store(peer)->splits_applied, 1);
	half->region_state = *upper;
	half->leads = peer->role == RAFT_LEADER;
	*upper = (struct region){0};
	region_close(&peer->region);
	peer->region = *lower;
	*lower = (struct region){0};
	half_hold(half);
	if (router_split(router, peer->route, &peer->region, half->peer->route, &half->region_state) < 0)
		engines_fail(
			peer_engines(peer), STATUS_CORRUPT, "the ranges of a split overlap another region");
	route_snapshot_forget(peer->route);
	log_info(peer_engines(peer)->logger, "region %llu is split: region %llu has the upper part",
		(unsigned long long)peer->region.id, (unsigned long long)half->region);
	half_start(half);
	submit_next(peer);
}

static void drop_tasks(struct peer *peer)
{
	struct apply_task *task = peer->splitting ? peer->splitting : peer->held;

	if (peer->splitting)
		peer->splitting->item.next = (struct inbox_item *)peer->held;
	peer->splitting = peer->held = NULL;
	while (task) {
		struct apply_task *next = (struct apply_task *)task->item.next;

		apply_task_free(task);
		peer->applies_in_flight--;
		task = next;
	}
}

void peer_split_stop(struct peer *peer)
{
	if (!peer->splitting || peer->is_split_over)
		drop_tasks(peer);
}

void peer_split_close(struct peer *peer)
{
	drop_tasks(peer);
	if (peer->half)
		region_close(&peer->half->region_state);
	free(peer->half);
	peer->half = NULL;
}
