/*
 * ending.h: the end of a cluster's mount, after the kernel has closed the connection. Data that is still buffered is
 * written out as long as the cluster answers. When it has been silent for ENDING_PATIENCE_S, the mount gives up and
 * logs the lost data. (Synced data is never lost in this way.)
 */
#ifndef RAFTKV_MOUNT_HELPERS_ENDING_H
#define RAFTKV_MOUNT_HELPERS_ENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/client/remote.h"
#include "fs/vfs/front.h"

#define ENDING_PATIENCE_S 8u
#define ENDING_LOOK_MS	  250 /* how often to look */

struct ending {
	struct env *env;
	struct remote *remote;
	struct front *front;
	const struct logger *logger;
	uint64_t answers; /* of the cluster, at the last look */
	uint64_t deadline; /* env_now; 0: the end has not begun */
};

/* Call once, when the kernel has closed the connection. */
void ending_begin(struct ending *ending);
/* Call every ENDING_LOOK_MS. True: the cluster has been silent for ENDING_PATIENCE_S. */
bool ending_is_hopeless(struct ending *ending);
/* Logs the files whose data is lost. */
void ending_say(const struct ending *ending);

#endif
