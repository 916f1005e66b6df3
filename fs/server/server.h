/*
 * server.h: a store of a cluster, with all that it runs on its loops: shards, transport, listening address,
 * coordinator, and the handlers of requests. raftkvd(8) runs one server in threads (process.h); the simulator runs
 * several in one thread.
 *
 * A store of the initial list takes its id and its cluster's id from that list; any other store got them when it joined
 * (join.h). The first loop has the listening address, the clients' links, the coordinator and the reporter. Each loop
 * runs a shard.
 */
#ifndef RAFTKV_FS_SERVER_SERVER_H
#define RAFTKV_FS_SERVER_SERVER_H

#include "fs/config.h"

struct server;

struct server_options {
	struct env *env;
	/* Shared: the objects below outlive the server. */
	struct env_loop **loops; /* made and run by the caller */
	uint32_t loop_count;
	const struct config *config;
	const struct logger *logger;
	struct raftkv_engines engines; /* zero: the real ones */
	/* The ids of the cluster and of this store, from IDENT or from joining; 0: take them from the initial list. */
	uint64_t cluster, store;
	uint32_t uid; /* of the process */
	/* The store cannot go on: the process should end. Called once, on any thread. */
	void (*failed)(void *argument, int status, const char *sentence);
	void *failed_argument;
	/* Called on the first loop after each report of this store that the cluster has taken. May be NULL. */
	void (*entered)(void *argument);
	void *entered_argument;
};

/* Recovers the store and listens. Blocks; before the loops run. A negative status has a sentence. */
int server_new(const struct server_options *options, struct server **server, struct status *status);
/* On the first loop, when all loops run. */
void server_start(struct server *server);
/* On the first loop, once, after server_start: stops listening, ends the requests under way, and flushes; then
 * `stopped` comes on that loop. */
void server_stop(struct server *server, void (*stopped)(void *argument), void *argument);
/* After `stopped`, when the loops have ended; may be NULL. */
void server_free(struct server *server);

struct raftkv *server_raftkv(const struct server *server);
struct transactions *server_transactions(const struct server *server);
struct coordinator *server_coordinator(const struct server *server);
uint32_t server_untold(const struct server *server); /* stores without this one's incarnation on record */
const char *server_address(const struct server *server); /* that it listens on */

#endif
