/*
 * chooser.h: chooses the store that a request (cluster_request.h) goes to next. A change goes to its region's leader. A
 * read goes to the leader or to another replica (remote_reads). Where the link to the leader has failed, the request
 * goes to another store, which passes it on; meanwhile the link is tried again, so that no request waits for it. Where
 * the link is open but the leader is silent, only heartbeats go to another store: it may be about to lead.
 *
 * A follower that could not answer a read, for example because it is cut off from its leader, gets no reads for
 * CHOOSER_SHUN_MS; then one read tries it.
 *
 * On one loop: the dispatcher's.
 */
#ifndef RAFTKV_FS_CLIENT_CHOOSER_H
#define RAFTKV_FS_CLIENT_CHOOSER_H

#include "fs/client/cluster_request.h"
#include "fs/client/remote.h"
#include "fs/client/routes.h"
#include "fs/client/store_links.h"

#define CHOOSER_SHUN_MS UINT64_C(1000)

struct chooser {
	struct env *env;
	const struct routes *routes;
	struct store_links *links;
	enum remote_reads reads;
	uint32_t turn; /* counts reads, to take the replicas in turn */
};

/* Sets the request's `store` (0: no store can be asked now), `from_follower` and `pass_on`. */
void chooser_choose(struct chooser *chooser, struct cluster_request *request, struct region_route *route);
/* Notes whether the store that a read with `from_follower` went to could answer it. */
void chooser_note(struct chooser *chooser, const struct cluster_request *request, struct region_route *route,
	bool did_answer);

#endif
