/*
 * store.h: one machine that runs raftkvd: its disk, its KV engine, and the processes on it, one after the other. Each
 * process is a whole server (fs/server/server.h) over the simulated environment.
 *
 * A process ends by store_kill (kill -9), store_crash (power loss), store_stop (SIGTERM), by a power loss in the middle of a
 * disk operation, or because the store gives up.
 */
#ifndef RAFTKV_TESTS_SIM_STORE_H
#define RAFTKV_TESTS_SIM_STORE_H

#include "fs/server/server.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/sim_kv.h"

#define STORES	     3u
#define STORE_LOOPS  2u /* at most */
#define STORE_LIST   "a:7420,b:7420,c:7420"
#define STORE_EXPIRY 5000u /* ms, of a session */
#define STORE_RESERVE                                                                                        \
	(4u << 20) /* bytes of disk that the store keeps free of data: some segments of its log */

enum store_phase {
	STORE_DOWN,
	STORE_RUNNING,
	STORE_STOPPING, /* in good order */
	STORE_STOPPED, /* its last callback has come; store_bury is due */
	STORE_FAILED, /* it has given up; store_bury is due */
};

/* A store's disk that is in no machine. */
struct store_disk {
	struct sim_disk *disk; /* NULL: there is none */
	struct sim_kv *kv;
	uint64_t incarnation; /* of the store, when it was copied; 0: it is empty */
};

struct store {
	struct sim_world *world;
	struct sim_node *node;
	struct sim_kv *kv;
	uint32_t number; /* from 1: its id */
	uint32_t loop_count;
	bool is_verbose;
	struct config config;
	struct logger logger;
	struct store_disk aside; /* what is in place of it, or was, or is to be */
	bool is_false; /* the disk that it has is not its own, which is aside */
	bool is_rarely_flushed;
	unsigned kv_miss_percent;
	uint64_t splits_asked; /* that it was told to carry out */

	/* Of the process that runs. */
	enum store_phase state;
	uint64_t incarnation; /* also of the one before; 0: none has opened this disk */
	uint64_t began; /* world time */
	struct env *env;
	struct env_loop *loops[STORE_LOOPS];
	const struct log_engine_ops *log_ops_below;
	struct log_engine_ops log_ops; /* the same, but that a dead process closes nothing */
	struct server *server;
	struct kv_engine *kv_engine;
	struct env_mail starting;
	struct env_mail stopping;
	int failure; /* STORE_FAILED */
	char sentence[256];
};

/* Draws its options from the world. */
void store_init(struct store *store, struct sim_world *world, uint32_t number, bool is_verbose);

/* 0: it runs. -EIO with the node down: power failed while it recovered. Another error: it refuses to open, and why. */
int store_start(struct store *store, struct status *status);
/* Runs, and its machine has power. */
bool store_is_well(const struct store *store);
void store_kill(struct store *store);
void store_crash(struct store *store); /* also of a machine whose power has failed by itself */
/* Begins; STORE_STOPPED says when it is done, and store_bury is called. */
void store_stop(struct store *store);
/* Of a process that has stopped in good order: frees it. */
void store_bury(struct store *store);

/* Of a store that is down: puts a copy of its disk, or an empty one, aside, in place of what is there. */
void store_put_aside(struct store *store, bool is_copy);
/* Of a store that is down: exchanges its disk with the one aside. */
void store_swap(struct store *store);
/* Nothing is aside any more. */
void store_drop_aside(struct store *store);
/* Of a store that runs: every other one has its life on record. */
bool store_is_known(const struct store *store);

/* The interface of the store; NULL: no process runs. */
struct raftkv *store_raftkv(const struct store *store);

#endif
