/*
 * mount.h: one machine with a mount. Its processes run one after the other, each with a client of the cluster (fs/client), a
 * session of its own, and the front's table of open files (fs/inodes/nameless.h). Nothing of a process outlives it; the
 * operations that its actors waited for stay open.
 */
#ifndef RAFTKV_TESTS_SIM_MOUNT_H
#define RAFTKV_TESTS_SIM_MOUNT_H

#include "fs/client/remote.h"
#include "fs/inodes/nameless.h"
#include "tests/lib/sim_env.h"

#define MOUNTS	    2u
#define MOUNT_OPENS 64u /* files, each perhaps more than once */

enum mount_state {
	MOUNT_DOWN,
	MOUNT_STARTING,
	MOUNT_RUNNING, /* it has a session */
	MOUNT_STOPPING, /* in good order */
	MOUNT_STOPPED, /* its last callback has come; mount_bury is due */
};

struct mount {
	struct sim_world *world;
	struct sim_node *node;
	uint32_t number; /* from 1 */
	struct logger logger;
	struct store_list seeds;
	enum remote_reads reads;
	uint32_t timeo_ms; /* 0: its requests wait, as the first mount's do */
	uint64_t sessions_lost; /* sessions that its processes lost while they lived on */

	/* Of the process that runs. */
	enum mount_state state;
	bool has_news; /* it has reached RUNNING or STOPPED, and the cluster has not noticed yet */
	uint32_t life; /* processes so far */
	struct env *env;
	struct env_loop *loop;
	struct remote *remote;
	struct client *client; /* the remote's */
	struct removed *removed;
	struct nameless *nameless;
	uint64_t notice; /* the number of the notice that it must answer */
	struct {
		uint64_t ino;
		uint32_t count; /* 0: a free place */
	} opens[MOUNT_OPENS];
	struct env_mail starting;
	struct env_mail stopping;
};

void mount_init(struct mount *mount, struct sim_world *world, uint32_t number, bool is_verbose);
/* MOUNT_RUNNING comes once a store has answered. */
void mount_start(struct mount *mount);
void mount_kill(struct mount *mount);
/* Closes the session of a running mount without requests. When it is MOUNT_STOPPED, call mount_bury. */
void mount_stop(struct mount *mount);
void mount_bury(struct mount *mount);

/* On its loop: notes that an actor has the inode open, or is about to open it; or that it no longer has. */
void mount_open(struct mount *mount, uint64_t ino);
void mount_close(struct mount *mount, uint64_t ino);
/* This mount removed the inode's last name, and holds the inode. */
void mount_removed(struct mount *mount, uint64_t ino);

#endif
