#include "store/peer/shard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/container.h"
#include "store/peer/store.h"

#define WAKE_COUNT_MAX 512u /* replicas in a heartbeat interval: each speaks to the others */

static void on_applied(struct inbox *inbox, struct inbox_item *items)
{
	struct shard *shard = container_of(inbox, struct shard, applied);

	while (items) {
		struct apply_task *task = (struct apply_task *)items;
		struct peer *peer = container_of(task->region, struct peer, apply);

		items = items->next;
		apply_take_back(&shard->apply);
		peer_on_applied(peer, task);
	}
	shard_check_stopped(shard);
}

int shard_start(struct shard *shard, struct raftkv *raftkv, struct env_loop *loop, uint32_t number)
{
	char name[16];

	shard->raftkv = raftkv;
	shard->loop = loop;
	shard->dirty_end = &shard->dirty;
	shard->is_process_posted = true; /* until shard_begin */
	inbox_init(&shard->applied, loop, on_applied);
	snprintf(name, sizeof name, "apply-%u", number % 1000);
	return apply_start(&shard->apply, &raftkv->engines, &raftkv->flush, raftkv->options.evaluator,
		&shard->applied, name);
}

void shard_close(struct shard *shard)
{
	struct inbox_item *item;

	apply_stop(&shard->apply);
	if (!shard->raftkv)
		return;
	item = inbox_take(&shard->applied);
	while (item) {
		struct inbox_item *next = item->next;

		apply_task_free((struct apply_task *)item);
		item = next;
	}
	while (shard->peers) {
		struct peer *peer = shard->peers;

		shard->peers = peer->next;
		peer_free(peer);
	}
	raft_ready_close(&shard->ready);
	heap_close(&shard->deadlines);
	campaigns_close(&shard->campaigns);
}

void shard_add(struct shard *shard, struct peer *peer)
{
	peer->next = shard->peers;
	shard->peers = peer;
	shard_mark(shard, peer);
}

/* ---- Dirty peers ------------------------------------------------------------------------------------------------ */

/* Peers marked meanwhile are processed in the next turn of the loop. */
static void on_process(struct env_mail *mail)
{
	struct shard *shard = container_of(mail, struct shard, process_mail);
	struct peer *peer = shard->dirty;

	shard->is_process_posted = false;
	shard->dirty = NULL;
	shard->dirty_end = &shard->dirty;
	while (peer) {
		struct peer *next = peer->next_dirty;

		peer->is_dirty = false;
		peer_process(peer);
		peer = next;
	}
}

void shard_mark(struct shard *shard, struct peer *peer)
{
	if (peer->is_dirty)
		return;
	peer->is_dirty = true;
	peer->next_dirty = NULL;
	*shard->dirty_end = peer;
	shard->dirty_end = &peer->next_dirty;
	if (shard->is_process_posted)
		return;
	shard->is_process_posted = true;
	env_post(shard->loop, &shard->process_mail, on_process);
}

void shard_begin(struct shard *shard)
{
	for (struct peer *peer = shard->peers; peer; peer = peer->next) {
		peer_begin(peer);
		campaign_on_start(peer);
	}
	shard->is_process_posted = shard->dirty != NULL;
	if (shard->dirty)
		env_post(shard->loop, &shard->process_mail, on_process);
}

/* ---- Deadlines -------------------------------------------------------------------------------------------------- */

static void shard_set_timer(struct shard *shard);

static void shard_on_timer(struct env_timer *timer)
{
	struct shard *shard = container_of(timer, struct shard, timer);
	uint64_t now = env_now(shard->raftkv->engines.env);
	struct heap_node *first;

	while ((first = heap_first(&shard->deadlines)) != NULL && first->key <= now) {
		struct peer *peer = container_of(first, struct peer, deadline);

		heap_remove(&shard->deadlines, first);
		shard_mark(shard, peer);
	}
	shard_set_timer(shard);
}

static void shard_set_timer(struct shard *shard)
{
	struct heap_node *first = heap_first(&shard->deadlines);

	if (first && !shard->is_stopping)
		env_timer_start(&shard->timer, shard->loop, first->key, shard_on_timer);
	else
		env_timer_stop(&shard->timer);
}

void shard_schedule(struct shard *shard, struct peer *peer)
{
	struct heap_node *first = heap_first(&shard->deadlines);
	uint64_t deadline = peer_deadline(peer);

	if (deadline == UINT64_MAX)
		heap_remove(&shard->deadlines, &peer->deadline);
	else if (heap_set(&shard->deadlines, &peer->deadline, deadline) < 0)
		engines_fail(&shard->raftkv->engines, -ENOMEM, "out of memory for a deadline");
	if (first != heap_first(&shard->deadlines) || first == &peer->deadline)
		shard_set_timer(shard);
}

/* ---- Resuming --------------------------------------------------------------------------------------------------- */

static void on_resume(struct env_mail *mail)
{
	struct shard *shard = container_of(mail, struct shard, resume_mail);

	if (shard->is_stopping)
		return;
	for (struct peer *peer = shard->peers; peer; peer = peer->next) {
		append_resume(peer);
		if (evaluate_has_queued(&peer->evaluations))
			shard_mark(shard, peer);
	}
}

void shard_resume(struct shard *shard)
{
	env_post_once(shard->loop, &shard->resume_mail, on_resume);
}

/* ---- Waking ----------------------------------------------------------------------------------------------------- */

static void shard_wake(struct shard *shard);

static void on_look_timer(struct env_timer *timer)
{
	shard_wake(container_of(timer, struct shard, look_timer));
}

/* Those that are awake are passed over, so the next call goes on where this one has ended. */
static void shard_wake(struct shard *shard)
{
	const struct raftkv_options *options = &shard->raftkv->options;
	uint64_t interval = (uint64_t)options->heartbeat_tick * options->tick_ms * NS_PER_MS;
	uint32_t count = 0;

	if (shard->is_stopping)
		return;
	for (struct peer *peer = shard->peers; peer && count < WAKE_COUNT_MAX; peer = peer->next)
		count += hibernation_look(peer);
	if (count == WAKE_COUNT_MAX)
		env_timer_start(&shard->look_timer, shard->loop,
			env_now(shard->raftkv->engines.env) + interval, on_look_timer);
}

static void on_look(struct env_mail *mail)
{
	shard_wake(container_of(mail, struct shard, look_mail));
}

void shard_look(struct shard *shard)
{
	env_post_once(shard->loop, &shard->look_mail, on_look);
}

/* ---- Stopping --------------------------------------------------------------------------------------------------- */

void shard_check_stopped(struct shard *shard)
{
	if (!shard->is_stopping || shard->is_stopped || shard->discards > 0)
		return;
	for (const struct peer *peer = shard->peers; peer; peer = peer->next)
		if (!peer_is_quiet(peer))
			return;
	shard->is_stopped = true;
	raftkv_on_shard_stopped(shard->raftkv);
}

void shard_stop(struct shard *shard)
{
	shard->is_stopping = true;
	env_timer_stop(&shard->timer);
	env_timer_stop(&shard->look_timer);
	for (struct peer *peer = shard->peers; peer; peer = peer->next)
		peer_stop(peer);
	shard->raftkv->engines.log->ops->hurry(shard->raftkv->engines.log);
	shard_check_stopped(shard);
}
