/*
 * log_memory.h: what a raft log engine keeps in memory, and all that can be answered from it: the index and the cache under
 * one lock, and which write may follow which. Both engines, segments and RocksDB, begin with one.
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
/* Also lets go of what the cache dropped. */
void log_memory_unlock(struct log_memory *memory);

/* Operations of log_engine_ops, of an engine that begins with a log_memory. */
int log_memory_bounds(struct log_engine *base, uint64_t id, uint64_t *first_index, uint64_t *last_index);
int log_memory_hard_state(struct log_engine *base, uint64_t id, struct raft_hard_state *hard_state);
int log_memory_term(struct log_engine *base, uint64_t id, uint64_t index, uint64_t *term);
int log_memory_mark(struct log_engine *base, uint64_t id, const char *name, struct buf **value);
int log_memory_regions(struct log_engine *base, int (*each)(void *argument, uint64_t region), void *argument);
int log_memory_release(struct log_engine *base, uint64_t id, uint64_t index);

/* Under the lock: may this write follow those of its region that are durable or go before it in batch `batch`? Sets
 * `write->replaces`. */
int log_memory_admit(struct log_memory *memory, struct log_write *write, uint64_t batch);
/* Under the lock: forgets a region of which nothing is left. */
void log_memory_sweep(struct log_memory *memory, uint64_t id);
/* Under the lock: the region remembers a refusal until its owner is about to know: log_memory_settle. */
void log_memory_refuse(
	struct log_memory *memory, struct log_write *write, int status, struct log_write_queue *finished);
/* Not under the lock. */
void log_memory_settle(struct log_memory *memory, const struct log_write *write);

void log_queue_push(struct log_write_queue *queue, struct log_write *write);
struct log_write *log_queue_pop(struct log_write_queue *queue);
void log_queue_append(struct log_write_queue *to, struct log_write_queue *from);

#endif
