/*
 * ending.h: the end of a cluster's mount, after the kernel has left: what is still to be written out is waited for as
 * long as the cluster answers. One that has been silent for ENDING_PATIENCE_S is given up, and what is lost with it is
 * logged. (Nothing that was synced is ever lost so.)
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
	uint64_t answers; /* so far, when it was last looked */
	uint64_t deadline; /* env_now; 0: it has not begun */
};

/* The kernel has left. Once. */
void ending_begin(struct ending *ending);
/* Every ENDING_LOOK_MS. True: the cluster has been silent for too long. */
bool ending_is_hopeless(struct ending *ending);
/* Logs what is lost. */
void ending_say(const struct ending *ending);

#endif
