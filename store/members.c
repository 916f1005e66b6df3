/* Administration of a region: passes requests on to the loop of the region's peer. */
#include "store/raftkv.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/container.h"
#include "store/peer/store.h"

/* ---- Changing --------------------------------------------------------------------------------------------------- */

static void on_change(struct env_mail *mail)
{
	struct raftkv_change *change = container_of(mail, struct raftkv_change, mail);

	peer_change(change->peer, change);
}

void raftkv_change_peers(struct raftkv *raftkv, struct raftkv_change *change)
{
	struct route *route = router_find(&raftkv->router, change->region);

	change->leader_store = 0;
	change->epoch = (struct region_epoch){0};
	if (!route) {
		peer_change_finish(change, STATUS_REGION_NOT_FOUND);
		return;
	}
	change->peer = route->peer;
	env_post(route->shard->loop, &change->mail, on_change);
}

static void on_split(struct env_mail *mail)
{
	struct raftkv_split *split = container_of(mail, struct raftkv_split, mail);

	peer_split(split->peer, split);
}

void raftkv_split(struct raftkv *raftkv, struct raftkv_split *split)
{
	struct route *route = router_find(&raftkv->router, split->region);

	buf_ref(split->key);
	split->leader_store = 0;
	split->now = (struct region_epoch){0};
	if (!route) {
		peer_split_finish(split, STATUS_REGION_NOT_FOUND);
		return;
	}
	split->peer = route->peer;
	env_post(route->shard->loop, &split->mail, on_split);
}

struct transfer {
	struct env_mail mail; /* the first member */
	struct peer *peer;
	uint64_t store;
};

static void on_transfer(struct env_mail *mail)
{
	struct transfer *transfer = (struct transfer *)mail;

	peer_transfer(transfer->peer, transfer->store);
	free(transfer);
}

int raftkv_transfer_leader(struct raftkv *raftkv, uint64_t region, uint64_t store)
{
	struct route *route = router_find(&raftkv->router, region);
	struct transfer *transfer;

	if (!route)
		return STATUS_REGION_NOT_FOUND;
	transfer = malloc(sizeof *transfer);
	if (!transfer)
		return -ENOMEM;
	*transfer = (struct transfer){.peer = route->peer, .store = store};
	env_post(route->shard->loop, &transfer->mail, on_transfer);
	return 0;
}

/* ---- Looking ---------------------------------------------------------------------------------------------------- */

static void deliver_status(struct env_mail *mail)
{
	struct raftkv_region_status *request = container_of(mail, struct raftkv_region_status, mail);

	request->done(request, request->status);
}

static void finish_status(struct raftkv_region_status *request, int status)
{
	request->status = status;
	env_post(request->loop, &request->mail, deliver_status);
}

static void on_status(struct env_mail *mail)
{
	struct raftkv_region_status *request = container_of(mail, struct raftkv_region_status, mail);

	finish_status(request, peer_describe(request->peer, request));
}

void raftkv_region_status(struct raftkv *raftkv, struct raftkv_region_status *request)
{
	struct route *route = router_find(&raftkv->router, request->region);

	if (!route) {
		finish_status(request, STATUS_REGION_NOT_FOUND);
		return;
	}
	request->peer = route->peer;
	env_post(route->shard->loop, &request->mail, on_status);
}
