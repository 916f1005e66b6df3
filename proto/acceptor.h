/*
 * acceptor.h: the one port of a store's process: it listens, and hands each link to whoever serves its role.
 *
 * A connection that has not said who it is belongs to the acceptor, which keeps ACCEPTOR_WAITING_MAX of them, none for
 * long: when more come, the oldest go. Refusals are logged once a minute, with their number.
 *
 * Nothing is encrypted yet, and a port cannot tell who comes: whoever reaches it can do all that root may do with the files.
 * So the acceptor listens on a port only where it is told that everybody is trusted, and on a Unix socket it welcomes
 * root and its own user alone.
 *
 * All on one loop.
 */
#ifndef RAFTKV_PROTO_ACCEPTOR_H
#define RAFTKV_PROTO_ACCEPTOR_H

#include "proto/link.h"

#define ACCEPTOR_WAITING_MAX 256u /* connections that have not said who they are */

struct acceptor;

struct acceptor_options {
	const struct link_self *self; /* outlives the acceptor */
	struct env_loop *loop;
	const struct logger *logger;
	const char *address;
	uint32_t uid; /* that may connect to a Unix address, besides root */
	bool is_insecure; /* may listen on a port, where anybody may come */
};

/* Who serves a role: link_adopt and 0, or a refusal with a sentence. */
typedef int (*acceptor_cb)(
	void *argument, struct link *link, const Raftkv__Hello *hello, struct status *refusal);

/* Listens: a name is resolved at once. -EPERM: it is a port; and what env_listen says. */
int acceptor_new(const struct acceptor_options *options, struct acceptor **acceptor, struct status *status);
/* Roles that nobody serves are refused. */
void acceptor_serve(struct acceptor *acceptor, Raftkv__Role role, acceptor_cb serve, void *argument);
/* What was bound. */
const char *acceptor_address(const struct acceptor *acceptor);
/* Listens no more; ends what has not been handed on. `stopped` may come from inside the call. */
void acceptor_stop(struct acceptor *acceptor, void (*stopped)(void *argument), void *argument);
void acceptor_free(struct acceptor *acceptor); /* stopped, or the loop has never run; may be NULL */

#endif
