/*
 * chooser.h: which store a request (cluster_request.h) goes to next. A change goes to its region's leader; so does a read, or to
 * another replica, as the mount wants. Where the link to the leader has failed, another store is asked to pass the request
 * on, and the link is tried again beside it, so that nothing waits for it. Where the link is there and the leader says
 * nothing, only a heartbeat is passed on: it may be that another store is about to lead.
 *
 * A follower that cannot answer a read, because it is cut off from its leader, is not asked for CHOOSER_SHUN_MS; then one
 * read tries it.
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
	uint32_t turn; /* of reads among the replicas */
};

/* Sets the request's `store` (0: nobody can be asked just now), `from_follower` and `pass_on`. */
void chooser_choose(struct chooser *chooser, struct cluster_request *request, struct region_route *route);
/* Did the store that a read `from_follower` went to answer it? */
void chooser_note(struct chooser *chooser, const struct cluster_request *request, struct region_route *route,
	bool did_answer);

#endif
