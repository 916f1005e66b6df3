/*
 * The ReadIndexQueue of a peer: reads that wait for a read index and then for the state machine to reach it.
 *
 * A FIFO of batches. Reads join the open batch; read_index_queue_send closes it and gives the id for the ReadIndex
 * request. Answers may come late, twice, out of order or never. Only reads of the answered batches at the front are
 * served. A batch's index may be raised, never lowered. An answer to a later batch answers the earlier ones too,
 * because its request was sent after all of their reads had begun. Every read is given back exactly once. On the peer's
 * loop.
 */
#ifndef RAFTKV_STORE_QUEUES_READ_INDEX_QUEUE_H
#define RAFTKV_STORE_QUEUES_READ_INDEX_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded in the waiting request. */
struct read_index_request {
	struct read_index_request *next; /* the queue's */
	uint64_t index; /* also wait until this index is applied; 0: none */
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
/* Closes the open batch, whose request leaves at `now`. False: there is none. */
bool read_index_queue_send(struct read_index_queue *queue, uint64_t now, uint64_t *id);
/* Begins a batch without reads, sent at `now`, whose answer renews the lease. 0 or -ENOMEM. */
int read_index_queue_begin(struct read_index_queue *queue, uint64_t now, uint64_t *id);
/* Takes the read index of batch `id`. Returns when its first request was sent, because the answer may be to that one;
 * 0: unknown id. */
uint64_t read_index_queue_answer(struct read_index_queue *queue, uint64_t id, uint64_t index);
/* Removes an answered read at the front whose index is at most `applied`; NULL: none. */
struct read_index_request *read_index_queue_serve(struct read_index_queue *queue, uint64_t applied);
/* Calls `resend` for every unanswered batch last sent at or before `before`, and sets that time to `now`. */
void read_index_queue_retry(struct read_index_queue *queue, uint64_t before, uint64_t now,
	void (*resend)(void *argument, uint64_t id), void *argument);
bool read_index_queue_has_unanswered(const struct read_index_queue *queue);
/* Frees the batches without answering. */
void read_index_queue_close(struct read_index_queue *queue);
/* Ends the unanswered reads, or with `all` every read, with `status`. */
void read_index_queue_fail(struct read_index_queue *queue, bool all, int status);

#endif
