/*
 * log_memory.h: a raft log engine's state in memory: the index and the cache under one lock, the reads that they
 * answer, and the check which write may follow which. The struct of either engine begins with it.
 */
#ifndef RAFTKV_STORE_LOG_LOG_MEMORY_H
#define RAFTKV_STORE_LOG_LOG_MEMORY_H

#include <pthread.h>

#include "store/log/log_engine.h"
#include "store/log/log_cache.h"
#include "store/log/log_index.h"

struct log_memory {
	struct log_engine engine;
	pthread_mutex_t lock;
	struct log_index index;
	struct log_cache cache;
};

struct log_write_queue {
	struct log_write *first;
	struct log_write *last;
};

void log_memory_init(struct log_memory *memory, const struct log_engine_ops *ops, uint64_t cache_size);
void log_memory_close(struct log_memory *memory);
void log_memory_lock(struct log_memory *memory);
/* Also frees the entries that the cache dropped. */
void log_memory_unlock(struct log_memory *memory);

/* Operations of log_engine_ops, of an engine that begins with a log_memory. */
int log_memory_bounds(struct log_engine *base, uint64_t id, uint64_t *first_index, uint64_t *last_index);
int log_memory_hard_state(struct log_engine *base, uint64_t id, struct raft_hard_state *hard_state);
int log_memory_term(struct log_engine *base, uint64_t id, uint64_t index, uint64_t *term);
int log_memory_mark(struct log_engine *base, uint64_t id, const char *name, struct buf **value);
int log_memory_regions(struct log_engine *base, int (*each)(void *argument, uint64_t region), void *argument);
int log_memory_release(struct log_engine *base, uint64_t id, uint64_t index);

/* Under the lock: whether the write may follow those of its region that are durable or precede it in batch `batch`: 0
 * or an error. Sets `write->replaces`. */
int log_memory_admit(struct log_memory *memory, struct log_write *write, uint64_t batch);
/* Under the lock: removes the region from the index if nothing of it is kept. */
void log_memory_sweep(struct log_memory *memory, uint64_t id);
/* Under the lock: records the refusal in the region until log_memory_settle, which is called just before the owner's
 * `done`. */
void log_memory_refuse(
	struct log_memory *memory, struct log_write *write, int status, struct log_write_queue *finished);
/* Not under the lock. */
void log_memory_settle(struct log_memory *memory, const struct log_write *write);

void log_queue_push(struct log_write_queue *queue, struct log_write *write);
struct log_write *log_queue_pop(struct log_write_queue *queue);
void log_queue_append(struct log_write_queue *to, struct log_write_queue *from);

#endif
