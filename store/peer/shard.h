/*
 * Shard: the peers that one loop runs, one heap of their deadlines, and the apply thread that belongs to it.
 *
 * Idle regions cost nothing: no timer of their own and no tick. The shard's one timer is set to the first deadline of
 * all its groups. Peers with work to do are in a list of dirty peers. It is walked once per turn of the loop, so
 * requests of one turn are handled together.
 */
#ifndef RAFTKV_STORE_PEER_SHARD_H
#define RAFTKV_STORE_PEER_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/env.h"
#include "proto/heap.h"
#include "store/apply/apply.h"
#include "store/evaluate/evaluate.h"
#include "store/peer/campaign.h"
#include "store/queues/queues.h"

struct peer;
struct raftkv;

struct shard {
	struct raftkv *raftkv;
	struct env_loop *loop;
	struct apply apply;
	struct inbox applied; /* finished tasks from the apply thread */
	struct peer *peers;
	struct heap deadlines;
	struct campaigns campaigns;
	struct env_timer timer;
	struct env_mail process_mail;
	bool is_process_posted;
	struct peer *dirty, **dirty_end;
	struct raft_ready ready; /* scratch for the peer that is being processed */
	struct env_mail resume_mail; /* log space was freed, or the throttle was lifted */
	struct env_mail look_mail; /* another store has died, or lives again */
	struct env_timer look_timer; /* goes on with the replicas that must wake */
	struct env_mail stop_mail;
	uint32_t discards; /* stages being discarded on workers */
	bool is_stopping;
	bool is_stopped;
	/* Counters for raftkv_stats. */
	_Atomic uint64_t reads_lease, reads_read_index, reads_follower, replicas, leaders, asleep;
	struct evaluation_figures evaluations;
};

int shard_start(struct shard *shard, struct raftkv *raftkv, struct env_loop *loop, uint32_t number);
/* The store has opened: processes the peers marked so far. Before this call no mail is posted, so that a store that
 * fails to open leaves none behind. */
void shard_begin(struct shard *shard);
/* Frees the peers and ends the apply thread. */
void shard_close(struct shard *shard);
void shard_add(struct shard *shard, struct peer *peer); /* takes */

/* Puts the peer on the dirty list. On the loop, as are all calls below except shard_resume and shard_look. */
void shard_mark(struct shard *shard, struct peer *peer);
/* The peer's deadline may have changed. */
void shard_schedule(struct shard *shard, struct peer *peer);
/* Any thread: peers that wait for space or for a flush retry. */
void shard_resume(struct shard *shard);
/* Any thread: the life of another store has changed. Replicas that sleep look whether they must wake. */
void shard_look(struct shard *shard);
/* Ends every request. Calls raftkv_on_shard_stopped once no work of the shard is on another thread. */
void shard_stop(struct shard *shard);
/* To be called when work has come back from another thread. */
void shard_check_stopped(struct shard *shard);

#endif
