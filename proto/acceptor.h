/*
 * acceptor.h: the one listening socket of a store's process. It hands each link to the handler of its role.
 *
 * A connection belongs to the acceptor until its greeting has come. The acceptor keeps ACCEPTOR_WAITING_MAX such
 * connections; when more come, it closes the oldest. It logs refusals once a minute, with their number.
 *
 * Nothing is encrypted yet, and a TCP port cannot tell its users apart: whoever reaches it can do with the files what
 * root may do. So the acceptor listens on a TCP port only if `is_insecure` says that everybody is trusted. On a Unix
 * socket it serves root and one other user.
 *
 * All calls and callbacks are on one loop.
 */
#ifndef RAFTKV_PROTO_ACCEPTOR_H
#define RAFTKV_PROTO_ACCEPTOR_H

#include "proto/link.h"

#define ACCEPTOR_WAITING_MAX 256u /* connections whose greeting has not come */

struct acceptor;

struct acceptor_options {
	const struct link_self *self; /* outlives the acceptor */
	struct env_loop *loop;
	const struct logger *logger;
	const char *address;
	uint32_t uid; /* the user who may connect to a Unix address, besides root */
	bool is_insecure; /* it may listen on a TCP port, to which anybody may connect */
};

/* Serves a role: takes the link with link_adopt and returns 0, or returns a negative status with a sentence. */
typedef int (*acceptor_cb)(
	void *argument, struct link *link, const Raftkv__Hello *hello, struct status *refusal);

/* Listens; a name is resolved before the call returns. 0; -EPERM: the address is a port and `is_insecure` is not set;
 * -ENOMEM; or an error of env_listen. */
int acceptor_new(const struct acceptor_options *options, struct acceptor **acceptor, struct status *status);
/* Sets the handler of a role. The acceptor refuses roles without one. */
void acceptor_serve(struct acceptor *acceptor, Raftkv__Role role, acceptor_cb serve, void *argument);
/* As env_listener_address; borrowed until acceptor_stop. */
const char *acceptor_address(const struct acceptor *acceptor);
/* Stops listening and closes the connections that were not handed over. `stopped` comes when they are closed, perhaps
 * from inside the call. */
void acceptor_stop(struct acceptor *acceptor, void (*stopped)(void *argument), void *argument);
/* The acceptor has stopped, or its loop has never run. May be NULL. */
void acceptor_free(struct acceptor *acceptor);

#endif
