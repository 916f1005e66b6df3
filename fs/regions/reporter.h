/*
 * reporter.h: reports this store, its stats and the regions that it leads (region_reports.h) to the store that
 * coordinates the cluster, once a second; the answer has the other stores' addresses. By reports a store enters a cluster, comes back to it after a restart, or learns that it
 * is refused.
 *
 * A report goes to this store's own coordinator first, without the network. If another store coordinates the cluster,
 * the report goes to the store that was named last, else to the known stores in turn.
 *
 * A reporter without a store (link_self.store is 0) asks for a new id: so a store joins before it is made.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_REGIONS_REPORTER_H
#define RAFTKV_FS_REGIONS_REPORTER_H

#include "fs/cluster/coordinator.h"
#include "fs/regions/oversize.h"
#include "fs/regions/region_loads.h"
#include "fs/regions/region_reports.h"
#include "fs/regions/survey.h"
#include "fs/schema/store_list.h"
#include "proto/link.h"

struct reporter;
struct transactions; /* transactions.h */

/* The record of a store, as the cluster answers it. */
struct reporter_store {
	uint64_t id;
	const char *address;
	uint64_t incarnation; /* the last one on record */
	uint64_t directory_id; /* 0: unknown */
	bool is_out; /* lost, or removed */
};

struct reporter_options {
	struct env_loop *loop;
	/* Shared: the objects below outlive the reporter. */
	const struct link_self *self; /* store 0: the store is to join */
	const struct logger *logger;
	const char *address; /* at which others reach this store */
	const char *labels; /* of this store, valid; NULL: none */
	const struct store_list *seeds; /* the stores that are known at first */
	struct raftkv *raftkv; /* NULL: the store is not made yet */
	struct coordinator *coordinator; /* NULL: the store is not made yet */
	const struct survey *survey; /* NULL: the store is not made yet */
	struct transactions *transactions; /* NULL: the store is not made yet */
	const struct oversize *oversize; /* NULL: the store is not made yet */
	const struct region_loads *loads; /* NULL: the store is not made yet, or they are not measured */
	struct region_reports *regions; /* NULL: the store is not made yet */
	/* Called after each report that was taken, with this store's id and cluster; may be NULL. */
	void (*entered)(void *argument, uint64_t store, uint64_t cluster);
	/* Called for each store in an answer; may be NULL. */
	void (*found)(void *argument, const struct reporter_store *store);
	/* The cluster refuses this store: -ESTALE, -EEXIST, -ENOSPC, with a sentence. May be called again. */
	void (*refused)(void *argument, const struct status *why);
	void *argument;
};

/* NULL: no memory. */
struct reporter *reporter_new(const struct reporter_options *options);
void reporter_start(struct reporter *reporter);
/* `stopped` may come from inside the call. */
void reporter_stop(struct reporter *reporter, void (*stopped)(void *argument), void *argument);
void reporter_free(struct reporter *reporter); /* stopped, or never started; may be NULL */
/* Why the last report failed, as a sentence; empty: it did not fail. */
const char *reporter_trouble(const struct reporter *reporter);
/* The address of the store that took the last report, and so coordinates the cluster; empty: none did. */
const char *reporter_coordinator(const struct reporter *reporter);

#endif
