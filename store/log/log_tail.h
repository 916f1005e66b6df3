/*
 * log_tail.h: what a sole replica has answered before its log was durable.
 *
 * A file beside the log with copies of its last writes, which is written and not synced. The page cache keeps it when the
 * process dies, so that a start finds in it what the log lacks (recover_tail.h). A power failure may lose it: then the log
 * alone is left, a prefix of what was answered. Records carry consecutive numbers from 1 on and are written in a circle; the
 * place of one is free again once the log has it durably, and so have all before it.
 *
 *   file     block 0: u64 checksum of the rest · u32 magic · u16 version · u16 0 · u64 epoch; then records
 *   record   u64 checksum of all that follows, seeded with the epoch · u64 number · u64 durable · u32 size · u32 used ·
 *            log records (log_record.h) · zeroes up to `size`, a multiple of 64
 *
 * All little endian. `durable`: the log had this record and all before it when this one was written. Each opening takes a
 * new epoch, so that old records are never valid.
 *
 * Threads. Any. Errors. A write that fails turns the tail off, with a line in the log: nothing is taken any more, and so
 * nothing is answered early. What it has taken stays, until the log has it.
 */
#ifndef RAFTKV_STORE_LOG_LOG_TAIL_H
#define RAFTKV_STORE_LOG_LOG_TAIL_H

#include "proto/logger.h"
#include "store/log/log_engine.h"

struct log_tail;

struct log_tail_options {
	struct env *env;
	const struct logger *logger;
	const char *path; /* of the file */
	uint64_t size; /* bytes of the file */
};

/* A record as it was read. It borrows. */
struct log_tail_record {
	uint64_t number;
	uint64_t durable;
	struct slice records; /* whole ones: log_record_decode with `epoch` as the segment */
	uint64_t epoch;
};

/* Calls `each` for every valid record of an earlier life, in the order of their numbers; a nonzero return ends it and is
 * returned. 0 if there is no such file. -errno, -EPROTONOSUPPORT. *Blocks.* */
int log_tail_read(struct env *env, const char *path,
	int (*each)(void *argument, const struct log_tail_record *record), void *argument);
/* Removes the file, durably. 0 if there is none. *Blocks.* */
int log_tail_remove(struct env *env, const char *path);

/* Makes an empty file, in place of an old one. -errno: it cannot be made; -ENOSPC among them. *Blocks.* */
int log_tail_open(const struct log_tail_options *options, struct log_tail **tail, struct status *status);
/* Removes the file, if the log has all of it. Nothing may wait. `tail` may be NULL. */
void log_tail_close(struct log_tail *tail);

/* Copies the write into the file, before it is given to the log. Returns its number; 0: not taken, because the tail is
 * full, held or off. */
uint64_t log_tail_put(struct log_tail *tail, const struct log_write *write);
/* The log has the write of that number durably. */
void log_tail_settle(struct log_tail *tail, uint64_t number);

/* Waits for the log. Embedded in its owner; it belongs to the tail until `done` begins. */
struct log_tail_wait {
	struct env_mail mail; /* the tail's */
	struct log_tail_wait *next; /* the tail's */
	uint64_t number; /* the tail's */
	struct env_loop *loop;
	void (*done)(struct log_tail_wait *wait);
};

/* Calls `awaited` whenever somebody begins to wait for what the log may not have been given yet: on the waiter's thread. To
 * be called before anything is taken. */
void log_tail_set_awaited(struct log_tail *tail, void (*awaited)(void *argument), void *argument);
/* `done` when the log has durably all that was taken before this call. False: it has, and `done` will not come. */
bool log_tail_await(struct log_tail *tail, struct log_tail_wait *wait);
/* From now on nothing is taken, until as many calls of log_tail_resume. `done` when all that was taken is durable. */
void log_tail_hold(struct log_tail *tail, struct log_tail_wait *wait);
void log_tail_resume(struct log_tail *tail);

struct log_tail_stats {
	uint64_t taken; /* so far */
	uint64_t pending; /* taken, and not durable in the log */
	uint64_t pending_size; /* bytes of them */
};
void log_tail_stats(struct log_tail *tail, struct log_tail_stats *stats);

#endif
