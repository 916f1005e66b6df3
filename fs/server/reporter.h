/*
 * reporter.h: tells the store that coordinates the cluster, once a second, that this store is here and how it is; and hears
 * from it where the others are. So a store enters a cluster, comes back to it after a restart, or learns that it may not.
 *
 * Who coordinates the cluster is found by asking: first whoever answered last, then every store that is known. The coordinator of
 * this store is asked first, without a network.
 *
 * A reporter without a store asks for a new one's id: that is how a store joins, before it exists.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_SERVER_REPORTER_H
#define RAFTKV_FS_SERVER_REPORTER_H

#include "fs/cluster/coordinator.h"
#include "fs/schema/store_list.h"
#include "proto/link.h"

struct reporter;

/* What a reporter hears of a store. */
struct reporter_store {
	uint64_t id;
	const char *address;
	uint64_t incarnation; /* of the last life that is on record */
	uint64_t directory_id; /* 0: unknown */
	bool is_out; /* lost, or removed */
};

struct reporter_options {
	struct env_loop *loop;
	const struct link_self *self; /* as is all below: outlives the reporter; store 0: it is to join */
	const struct logger *logger;
	const char *address; /* where others reach this store */
	const struct store_list *seeds; /* whom to ask first */
	struct raftkv *raftkv; /* NULL: there is none yet */
	struct coordinator *coordinator; /* NULL: as above */
	/* After each report that was taken: this store's id and cluster. */
	void (*entered)(void *argument, uint64_t store, uint64_t cluster);
	void (*found)(void *argument, const struct reporter_store *store); /* each store, then, too */
	/* The cluster does not want this store. May come again. */
	void (*refused)(void *argument, const struct status *why);
	void *argument;
};

/* NULL: no memory. */
struct reporter *reporter_new(const struct reporter_options *options);
void reporter_start(struct reporter *reporter);
/* `stopped` may come from inside the call. */
void reporter_stop(struct reporter *reporter, void (*stopped)(void *argument), void *argument);
void reporter_free(struct reporter *reporter); /* stopped, or never started; may be NULL */
/* What went wrong last; empty: nothing. */
const char *reporter_trouble(const struct reporter *reporter);

#endif
