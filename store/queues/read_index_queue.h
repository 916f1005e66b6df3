/*
 * The ReadIndexQueue of a peer: reads that wait for a read index and then for the state machine to reach it.
 *
 * A FIFO of batches. Reads join the batch that has not left yet; read_index_queue_send closes it and gives the id that goes
 * with the ReadIndex request. Answers may come late, twice, out of order or never. Reads are served over the contiguous
 * front of answered batches alone, and a batch's index may be raised, never lowered; an answer to a later batch answers
 * the earlier ones too, since it was sent after all of their reads had begun. Every read is given back exactly once.
 * On the peer's loop.
 */
#ifndef RAFTKV_STORE_QUEUES_READ_INDEX_QUEUE_H
#define RAFTKV_STORE_QUEUES_READ_INDEX_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded in what waits. */
struct read_index_request {
	struct read_index_request *next; /* the queue's */
	uint64_t index; /* wait for this index too, whatever the answer; 0: no */
	/* `status` 0: the state machine has reached the read index. May free the request. */
	void (*done)(struct read_index_request *request, int status);
};

struct read_index_batch;

/* Zero is the empty queue. */
struct read_index_queue {
	struct read_index_batch *first;
	struct read_index_batch *last;
	size_t batch_count;
	size_t read_count;
	uint64_t last_id;
};

#define READ_INDEX_QUEUE_MAX 65536 /* reads */

/* 0, STATUS_LIMIT or -ENOMEM. */
int read_index_queue_push(struct read_index_queue *queue, struct read_index_request *request);
/* Closes the open batch. False: there is none. `now` is when its request leaves. */
bool read_index_queue_send(struct read_index_queue *queue, uint64_t now, uint64_t *id);
/* Begins a batch without reads, sent at `now`, whose answer renews the lease. 0 or -ENOMEM. */
int read_index_queue_begin(struct read_index_queue *queue, uint64_t now, uint64_t *id);
/* The read index of batch `id`. Gives the time its first request was sent, since the answer may be to that one; 0 for an
 * unknown id. */
uint64_t read_index_queue_answer(struct read_index_queue *queue, uint64_t id, uint64_t index);
/* Takes one answered read that `applied` allows off the front; NULL: none. */
struct read_index_request *read_index_queue_serve(struct read_index_queue *queue, uint64_t applied);
/* Calls `resend` for every unanswered batch last sent at or before `before`; `now` becomes that time. */
void read_index_queue_retry(struct read_index_queue *queue, uint64_t before, uint64_t now,
	void (*resend)(void *argument, uint64_t id), void *argument);
bool read_index_queue_has_unanswered(const struct read_index_queue *queue);
/* Frees the batches and answers nobody. */
void read_index_queue_close(struct read_index_queue *queue);
/* Ends the unanswered reads, or all of them. */
void read_index_queue_fail(struct read_index_queue *queue, bool all, int status);

#endif
