/*
 * engines.h: the three engines of one store, its data directory, its disk space, environment and logger, and the call
 * that marks the store as failed.
 *
 * Each store has one, a part of its raftkv. Every holder of a pointer to it borrows it while the store is open. All of
 * it may be used on any thread. open_engines (open_engines.h) fills it before any other thread runs.
 */
#ifndef RAFTKV_STORE_ENGINES_H
#define RAFTKV_STORE_ENGINES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "proto/env.h"
#include "proto/logger.h"
#include "store/blocks/blocks.h"
#include "store/disk/data_dir.h"
#include "store/disk/space.h"
#include "store/kv/kv_engine.h"
#include "store/log/log_engine.h"
#include "store/log/log_tail.h"

struct engines {
	struct env *env;
	const struct logger *logger;
	struct data_dir dir;
	struct kv_engine *kv;
	struct log_engine *log;
	struct log_tail *tail; /* NULL: nothing is answered before the log is durable */
	struct blocks *blocks;
	struct space space;
	atomic_bool is_stopping; /* no new work is begun */
	atomic_bool has_failed; /* no new work is begun, and nothing is acknowledged */
	/* Set by the owner: called once, at the first failure, on any thread. May be NULL. */
	void (*failed)(void *argument, int status, const char *sentence);
	void *failed_argument;
};

/* Marks the store as failed. Only the first call logs its sentence and calls `failed`. Any thread. */
void engines_fail(struct engines *engines, int status, const char *sentence);

/* This store's id. */
static inline uint64_t engines_store(const struct engines *engines)
{
	return engines->dir.ident.store;
}

#endif
