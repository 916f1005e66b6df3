/*
 * server.h: a store of a cluster with all that it runs on its loops: shards, transport, port, coordinator, and what answers
 * clients. raftkvd(8) runs one in threads of its own (process.h), the simulator several in one thread.
 *
 * A store of the initial list knows its number and its cluster's id from that list; any other one was given them when it
 * joined (join.h). The first loop has the port, the clients' links, the coordinator and the reporter; each loop is a shard.
 */
#ifndef RAFTKV_FS_SERVER_SERVER_H
#define RAFTKV_FS_SERVER_SERVER_H

#include "fs/config.h"

struct server;

struct server_options {
	struct env *env;
	struct env_loop **loops; /* made, and run, by the caller; as is all below: they outlive the server */
	uint32_t loop_count;
	const struct config *config;
	const struct logger *logger;
	struct raftkv_engines engines; /* zero: the real ones */
	/* Which store this is, unless it is one of the initial list: as its IDENT says, or as it joined; else zero. */
	uint64_t cluster, store;
	uint32_t uid; /* of the process */
	/* The store can not go on: the process should end. Once, on any thread. */
	void (*failed)(void *argument, int status, const char *sentence);
	void *failed_argument;
	/* After each report of this store that the cluster has taken, on the first loop. May be NULL. */
	void (*entered)(void *argument);
	void *entered_argument;
};

/* Before the loops run: recovers the store (blocks) and listens. What is wrong is said by a sentence. */
int server_new(const struct server_options *options, struct server **server, struct status *status);
/* On the first loop; all of them run. */
void server_start(struct server *server);
/* On the first loop, once, of a server that was started: hears nobody any more, ends what is under way, and flushes; then
 * `stopped`, there. */
void server_stop(struct server *server, void (*stopped)(void *argument), void *argument);
/* Stopped, and the loops have ended; may be NULL. */
void server_free(struct server *server);

struct raftkv *server_raftkv(const struct server *server);
uint32_t server_untold(const struct server *server); /* stores that have not this one's life on record yet */
const char *server_address(const struct server *server); /* where it listens */

#endif
