/*
 * read_queue: the reads that wait on a leader, oldest first (ReadIndex: Ongaro §6.4).
 *
 * A read first waits for the leader's first commit in its own term; its index is not known before. Then it waits for a
 * round of heartbeats to a quorum. A round confirms every read that came before it was sent, and carries the number of
 * the last of them. Reads are numbered from 1 in each term; those up to `confirmed` have left the queue.
 */
#ifndef RAFTKV_RAFT_READ_ONLY_H
#define RAFTKV_RAFT_READ_ONLY_H

#include "raft/raft.h"

struct read_request {
	uint64_t from; /* the follower that asked; RAFT_NONE: this node */
	uint64_t index; /* the read index; 0: the read waits for the first commit of the term */
	struct buf *context;
};

struct read_queue {
	struct read_request *items;
	uint32_t head; /* position of the oldest read */
	uint32_t count;
	uint32_t capacity;
	uint32_t count_max;
	bool is_round_due; /* reads came after the last round of heartbeats was sent */
	uint64_t confirmed; /* number of reads of this term that have left the queue */
};

void read_queue_init(struct read_queue *queue, uint32_t count_max);
void read_queue_close(struct read_queue *queue);
/* Shares `context`. 0, -ENOMEM or STATUS_LIMIT. */
int read_queue_push(struct read_queue *queue, uint64_t from, uint64_t index, struct buf *context);
/* Takes the oldest read out of a queue that is not empty; the caller owns its context. */
struct read_request read_queue_pop(struct read_queue *queue);
/* The number of the newest read, which a round of heartbeats sent now would confirm. */
uint64_t read_queue_newest(const struct read_queue *queue);
/* Gives `index` to the reads that wait for the first commit; they join the next round. */
void read_queue_release(struct read_queue *queue, uint64_t index);
/* Begins a new term: the queue, which is empty, numbers from 1 again. */
void read_queue_reset(struct read_queue *queue);

#endif
