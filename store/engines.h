/*
 * engines.h: the three engines of one store, the directory and the disk that they lie on, and what everybody who works
 * with them needs besides: the environment, the logger, and a way to say that the store cannot go on.
 *
 * There is one for each store, a part of its raftkv. Whoever is given it borrows it for as long as the store is open.
 * All of it may be used on any thread; what opens it (open_engines.h) does so before any other thread runs.
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

struct engines {
	struct env *env;
	const struct logger *logger;
	struct data_dir dir;
	struct kv_engine *kv;
	struct log_engine *log;
	struct blocks *blocks;
	struct space space;
	atomic_bool is_stopping; /* nothing new is begun any more */
	atomic_bool has_failed; /* the same, and nothing is acknowledged */
	/* The owner's, of the first failure; may be NULL. Any thread. */
	void (*failed)(void *argument, int status, const char *sentence);
	void *failed_argument;
};

/* The store cannot go on. Any thread; the first sentence is told. */
void engines_fail(struct engines *engines, int status, const char *sentence);

/* Which store this is. */
static inline uint64_t engines_store(const struct engines *engines)
{
	return engines->dir.ident.store;
}

#endif
