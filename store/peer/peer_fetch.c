/* Fetches entries that are not in memory, on a worker. */
#include "store/peer/peer_internal.h"

#include <errno.h>
#include <stdlib.h>

#define FETCH_SIZE_MAX (8u << 20) /* bytes of entries read ahead of raft */

struct fetch {
	struct env_work work;
	struct peer *peer;
	struct entry_range range;
	struct raft_entries entries;
	int status;
};

static void fetch_run(struct env_work *work)
{
	struct fetch *fetch = (struct fetch *)work; /* the first member */
	struct peer *peer = fetch->peer;

	fetch->status =
		peer_storage_fetch(peer_engines(peer)->log, peer->region.id, &fetch->range, &fetch->entries);
}

static void fetch_done(struct env_work *work)
{
	struct fetch *fetch = (struct fetch *)work;
	struct peer *peer = fetch->peer;

	peer->is_fetching = false;
	if (fetch->status == 0)
		peer_storage_fetched(&peer->storage, &fetch->entries);
	else if (fetch->status != STATUS_COMPACTED && fetch->status != STATUS_UNAVAILABLE)
		engines_fail(peer_engines(peer), fetch->status, "the log cannot be read");
	raft_entries_close(&fetch->entries);
	free(fetch);
	peer_process(peer);
	shard_check_stopped(peer->shard);
}

void peer_fetch(struct peer *peer)
{
	struct entry_range range;
	struct fetch *fetch;

	if (peer->is_fetching || !peer_storage_wants(&peer->storage, &range))
		return;
	fetch = calloc(1, sizeof *fetch);
	if (!fetch) {
		engines_fail(peer_engines(peer), -ENOMEM, "out of memory for entries of the log");
		return;
	}
	if (range.size_max < FETCH_SIZE_MAX)
		range.size_max = FETCH_SIZE_MAX;
	fetch->peer = peer;
	fetch->range = range;
	peer->is_fetching = true;
	env_work_submit(peer->shard->loop, &fetch->work, fetch_run, fetch_done);
}
