/*
 * read_queue: the reads of a leader that wait, oldest first (Ongaro §6.4).
 *
 * A read first waits for the leader's first commit in its own term (its index is then not known yet). After that it
 * belongs to a round: one round of heartbeats confirms every read that came before it was sent, and carries the
 * number of the last of them. Reads are numbered from 1 in a term; those up to `confirmed` have left the queue.
 */
#ifndef RAFTKV_RAFT_READ_ONLY_H
#define RAFTKV_RAFT_READ_ONLY_H

#include "raft/raft.h"

struct read_request {
	uint64_t from; /* the follower that asked; RAFT_NONE: this node */
	uint64_t index; /* the commit index when it was taken; 0: waits for the first commit of the term */
	struct buf *context;
};

struct read_queue {
	struct read_request *items;
	uint32_t head; /* position of the oldest */
	uint32_t count;
	uint32_t capacity;
	uint32_t count_max;
	bool is_round_due; /* reads came after the last round of heartbeats was sent */
	uint64_t confirmed; /* reads of this term that have left */
};

void read_queue_init(struct read_queue *queue, uint32_t count_max);
void read_queue_close(struct read_queue *queue);
/* Shares `context`. 0, -ENOMEM or STATUS_LIMIT. */
int read_queue_push(struct read_queue *queue, uint64_t from, uint64_t index, struct buf *context);
/* Takes the oldest out; its context is the caller's. There is one. */
struct read_request read_queue_pop(struct read_queue *queue);
/* The number of the newest read: what a round of heartbeats sent now confirms. */
uint64_t read_queue_newest(const struct read_queue *queue);
/* Reads that wait for the first commit get `index` and join the next round. */
void read_queue_release(struct read_queue *queue, uint64_t index);
/* A new term: the queue, which is empty, counts from 1 again. */
void read_queue_reset(struct read_queue *queue);

#endif
