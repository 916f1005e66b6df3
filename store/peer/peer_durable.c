/* What a replica has applied is made durable before its log may go: rows of a region that was split off it depend on
 * that log until they are flushed. */
#include "store/peer/peer_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/container.h"
#include "proto/plant.h"

struct peer_durable {
	struct peer *peer;
	void (*done)(struct peer *peer, int status);
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
		durable->status = engines->kv->ops->flush(engines->kv);
}

static void on_durable(struct env_work *work)
{
	struct peer_durable *durable = container_of(work, struct peer_durable, work);
	struct peer *peer = durable->peer;
	void (*done)(struct peer *peer, int status) = durable->done;
	int status = durable->status;

	peer->durable = NULL;
	free(durable);
	peer->has_unflushed_split = status < 0;
	done(peer, status);
}

static void durable_on_drained(struct env_mail *mail)
{
	struct peer_durable *durable = container_of(mail, struct peer_durable, drain.mail);

	env_work_submit(durable->peer->shard->loop, &durable->work, durable_run, on_durable);
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
	durable->drain = (struct blocks_drain){.loop = peer->shard->loop, .done = durable_on_drained};
	peer->durable = durable;
	blocks_drain(peer_engines(peer)->blocks, &durable->drain);
}
