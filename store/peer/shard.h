/*
 * Shard: the peers that one loop runs, one heap of their deadlines, and the apply thread that belongs to it.
 *
 * Idle regions cost nothing: no timer of their own, no tick; the shard's one timer is set to the first deadline of any
 * group. Peers with something to do stand in a list of dirty ones, which is walked once per turn of the loop: what came
 * in that turn is handled together.
 */
#ifndef RAFTKV_STORE_PEER_SHARD_H
#define RAFTKV_STORE_PEER_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/env.h"
#include "proto/heap.h"
#include "store/apply/apply.h"
#include "store/evaluate/evaluate.h"
#include "store/queues/queues.h"

struct peer;
struct raftkv;

struct shard {
	struct raftkv *raftkv;
	struct env_loop *loop;
	struct apply apply;
	struct inbox applied; /* tasks that come back from apply */
	struct peer *peers;
	struct heap deadlines;
	struct env_timer timer;
	struct env_mail process_mail;
	bool is_process_posted;
	struct peer *dirty, **dirty_end;
	struct raft_ready ready; /* of the peer that is being processed */
	struct env_mail resume_mail; /* log space was freed, or the throttle was lifted */
	struct env_mail stop_mail;
	uint32_t discards; /* of stages, on workers */
	bool is_stopping;
	bool is_stopped;
	/* Counters for raftkv_stats. */
	_Atomic uint64_t reads_lease, reads_read_index, reads_follower, replicas, leaders;
	struct evaluation_figures evaluations;
};

int shard_start(struct shard *shard, struct raftkv *raftkv, struct env_loop *loop, uint32_t number);
/* The store has opened: the peers marked so far have their turn. (One that cannot open leaves no mail behind.) */
void shard_begin(struct shard *shard);
/* Frees the peers and ends the apply thread. */
void shard_close(struct shard *shard);
void shard_add(struct shard *shard, struct peer *peer); /* takes */

/* Puts the peer on the list for this turn. On the loop, as is all below but shard_resume. */
void shard_mark(struct shard *shard, struct peer *peer);
/* The peer's deadline may have changed. */
void shard_schedule(struct shard *shard, struct peer *peer);
/* Any thread: peers that wait for space or for a flush look again. */
void shard_resume(struct shard *shard);
/* Answers everything; the shard is stopped once nothing of it is on another thread, and says so to raftkv. */
void shard_stop(struct shard *shard);
/* To be called when something came back from another thread. */
void shard_check_stopped(struct shard *shard);

#endif
