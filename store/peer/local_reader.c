#include "store/peer/local_reader.h"

#include <errno.h>

#include "proto/container.h"
#include "proto/plant.h"
#include "store/peer/store.h"

static void on_renewal(struct env_mail *mail)
{
	struct route *route = container_of(mail, struct route, renewal_mail);

	peer_renew_lease(route->peer);
}

/* Under steady reads the lease is renewed before it ends. */
static void ask_renewal(struct route *route)
{
	env_post_once(route->shard->loop, &route->renewal_mail, on_renewal);
}

/* A follower that applies faster may have shown entries that are not visible here yet. A later reader must see them
 * too. */
static bool is_behind(struct route *route)
{
	uint64_t committed = atomic_load(&route->commit_index);

	PLANT("reads:unapplied_ignored", committed = 0);
	return atomic_load_explicit(&route->applied_index, memory_order_acquire) < committed;
}

static bool may_serve(struct raftkv *raftkv, struct route *route, uint64_t term)
{
	uint64_t bound, now;

	now = env_now(raftkv->engines.env);
	bound = atomic_load(&route->lease_bound);
	PLANT("store:lease_unchecked", return true);
	if (now >= bound || atomic_load(&route->serving_term) != term)
		return false;
	if (bound - now < raftkv->lease_duration / 2)
		ask_renewal(route);
	return true;
}

int local_reader_snapshot(
	struct raftkv *raftkv, uint64_t id, uint64_t epoch_version, struct raftkv_snapshot **out)
{
	struct route *route = router_find(&raftkv->router, id);
	struct raftkv_snapshot *snapshot;
	uint64_t term;

	*out = NULL;
	if (!route)
		return STATUS_REGION_NOT_FOUND;
	term = atomic_load(&route->serving_term);
	snapshot = term > 0 && !is_behind(route)
			   ? route_snapshot_get(&raftkv->engines, &raftkv->router, route)
			   : NULL;
	if (!snapshot)
		return STATUS_WOULD_BLOCK;
	if ((epoch_version > 0 && epoch_version != snapshot->region.epoch.version) ||
		!may_serve(raftkv, route, term)) {
		raftkv_snapshot_free(snapshot);
		return STATUS_WOULD_BLOCK;
	}
	atomic_fetch_add_explicit(&route->shard->reads_lease, 1, memory_order_relaxed);
	*out = snapshot;
	return 0;
}

static void local_reader_deliver(struct env_mail *mail)
{
	struct raftkv_read *read = container_of(mail, struct raftkv_read, mail);

	read->done(read, read->status, read->snapshot);
}

void local_reader_answer(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	read->status = status;
	read->snapshot = snapshot;
	env_post(read->loop, &read->mail, local_reader_deliver);
}

void local_reader_finish(struct raftkv *raftkv, struct route *route, struct raftkv_read *read, int status)
{
	struct raftkv_snapshot *snapshot = NULL;

	if (status == 0) {
		snapshot = route_snapshot_get(&raftkv->engines, &raftkv->router, route);
		status = snapshot ? 0 : -ENOMEM;
	}
	local_reader_answer(read, status, snapshot);
}
