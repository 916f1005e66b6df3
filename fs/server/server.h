/*
 * server.h: the store of raftkvd(8) with all that it runs: shards, transport, port, keeper, and what answers clients.
 *
 * A store of the initial list knows its number and its cluster's id from that list. The first loop has the port, the
 * clients' links and the keeper; each loop is a shard.
 */
#ifndef RAFTKV_FS_SERVER_SERVER_H
#define RAFTKV_FS_SERVER_SERVER_H

#include "fs/config.h"

struct server;

struct server_options {
	const struct config *config; /* as is the logger: outlives the server */
	const struct logger *logger;
	/* The store can not go on: the process should end. Once, on any thread. */
	void (*failed)(void *argument, int status, const char *sentence);
	void *failed_argument;
};

/* Blocks until the store has recovered and listens. What is wrong is said by a sentence. */
int server_open(const struct server_options *options, struct server **server, struct status *status);
/* Blocks until all is flushed and every thread has ended. */
void server_close(struct server *server);

struct ident server_ident(const struct server *server);
const char *server_address(const struct server *server); /* where it listens */

#endif
