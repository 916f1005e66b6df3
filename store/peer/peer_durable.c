/*
 * The splits that this store has applied are made durable
 *
 *  - before a replica's log goes, because the rows of a region that was split off it come from that log after a crash;
 *  - before the mark of a snapshot's installation is written. After a crash the installation is repeated first, and no
 *    region may have the snapshot's range from before a split.
 */
#include "store/peer/peer_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/container.h"
#include "proto/plant.h"

struct peer_durable {
	struct peer *peer;
	void (*done)(struct peer *peer, int status);
	uint64_t splits; /* applied when it began */
	struct blocks_drain drain;
	struct env_work work;
	int status;
};

static void durable_run(struct env_work *work)
{
	struct peer_durable *durable = container_of(work, struct peer_durable, work);
	struct engines *engines = peer_engines(durable->peer);

	PLANT("split:parent_leaves_unflushed", return );
	durable->status = blocks_sync(engines->blocks);
	if (durable->status == 0)
		durable->status = engines->kv->ops->flush(engines->kv, NULL, NULL);
}

static void note_durable(struct raftkv *raftkv, uint64_t splits)
{
	uint64_t known = atomic_load(&raftkv->splits_durable);

	while (known < splits && !atomic_compare_exchange_weak(&raftkv->splits_durable, &known, splits))
		;
}

static void on_durable(struct env_work *work)
{
	struct peer_durable *durable = container_of(work, struct peer_durable, work);
	struct peer *peer = durable->peer;
	void (*done)(struct peer * peer, int status) = durable->done;
	uint64_t splits = durable->splits;
	int status = durable->status;

	peer->durable = NULL;
	free(durable);
	if (status == 0)
		note_durable(peer_store(peer), splits);
	done(peer, status);
}

static void durable_on_drained(struct env_mail *mail)
{
	struct peer_durable *durable = container_of(mail, struct peer_durable, drain.mail);

	env_work_submit(durable->peer->shard->loop, &durable->work, durable_run, on_durable);
}

bool peer_has_unflushed_splits(const struct peer *peer)
{
	struct raftkv *raftkv = peer_store(peer);

	return atomic_load(&raftkv->splits_applied) > atomic_load(&raftkv->splits_durable);
}

void peer_make_durable(struct peer *peer, void (*done)(struct peer *peer, int status))
{
	struct peer_durable *durable = calloc(1, sizeof *durable);

	if (!durable) {
		done(peer, -ENOMEM);
		return;
	}
	durable->peer = peer;
	durable->done = done;
	durable->splits = atomic_load(&peer_store(peer)->splits_applied);
	durable->drain = (struct blocks_drain){.loop = peer->shard->loop, .done = durable_on_drained};
	peer->durable = durable;
	blocks_drain(peer_engines(peer)->blocks, &durable->drain);
}
