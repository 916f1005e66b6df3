/*
 * link.h: one connection that speaks frames (frame.h): a greeting, then frames both ways, in order.
 *
 * The side that connects says who it is and whom it means to reach (Hello); the other one welcomes or refuses it with a
 * sentence, which both sides get to see. A peer of another protocol, cluster or store is refused here; whether a role is
 * welcome is the owner's to say (`greeted`), at once or later. A side that hears nothing for LINK_SILENCE_MS gives up;
 * each asks when it has nothing else to say. Nothing is sent again: who needs an answer asks again on another link.
 *
 * A peer that sends little is no better than a silent one: the greeting, of LINK_GREETING_SIZE_MAX bytes at most, is to be
 * complete within LINK_GREETING_MS, and a frame may for LINK_FRAME_MS come at less than LINK_FRAME_RATE_MIN. These
 * times are counted in ticks of the link's timer, so that they stand still while the process does. Where a budget is
 * set, what a link takes in counts there.
 *
 * All on one loop. A link is freed by itself after `closed`, which comes once for each, later, whatever ended it.
 *
 * TLS takes the place of env_stream underneath (connect, accept, write, received); nothing above a link will notice.
 */
#ifndef RAFTKV_PROTO_LINK_H
#define RAFTKV_PROTO_LINK_H

#include "proto/budget.h"
#include "proto/env.h"
#include "proto/frame.h"
#include "proto/raftkv.pb-c.h"
#include "proto/status.h"

/* Of all programs that understand each other. It is raised with what no replica may skip (raftkv.proto): other mutations,
 * rows or snapshots, other messages of Raft. */
#define LINK_PROTOCOL		1u
#define LINK_PING_MS		1000u
#define LINK_SILENCE_MS		5000u
#define LINK_GREETING_MS	5000u
#define LINK_GREETING_SIZE_MAX	4096u /* bytes behind the header */
#define LINK_FRAME_MS		10000u
#define LINK_FRAME_CONTENDED_MS 2000u /* instead, of one that keeps others waiting for their claims */
#define LINK_FRAME_RATE_MIN	(64u << 10) /* bytes/s */
#define LINK_UNCLAIMED_SIZE_MAX (16u << 10) /* bytes of a frame that needs no claim */
#define LINK_QUEUE_SIZE_MAX                                                                                  \
	(32u << 20) /* bytes that wait to be sent, from which link_send says STATUS_LIMIT */

struct link;

struct link_handlers {
	void *argument;
	/* Of an accepted link: who speaks. 0: welcome; negative, with a sentence: refused. */
	int (*greeted)(void *argument, struct link *link, const Raftkv__Hello *hello, struct status *refusal);
	/* Of a link that was begun here: frames may be sent from now on. */
	void (*opened)(void *argument, struct link *link, const Raftkv__HelloReply *reply);
	/* As frame_cb: a negative status ends the link. */
	int (*received)(void *argument, struct link *link, const struct frame *frame);
	/* After STATUS_LIMIT: half of the queue has gone. May be NULL. */
	void (*drained)(void *argument, struct link *link);
	/* The last callback. `why` has a sentence; its code is 0 after link_close, -EACCES when the other side does not serve
	 * this user, -ESTALE when this store's directory is none of its cluster's, -EPROTO when it speaks another protocol,
	 * and -ECONNREFUSED when it refuses for another reason. */
	void (*closed)(void *argument, struct link *link, const struct status *why);
};

/* Who a process is; `cluster` and `store` are 0 where there is none. Shared by all its links. */
struct link_self {
	struct env *env;
	uint64_t cluster;
	uint64_t store;
	uint64_t incarnation;
	uint64_t birth; /* of the store's directory */
	const uint64_t *lives; /* of that directory: this one, the one before it, and so on */
	size_t life_count;
};

/* `hello` needs its role, receiver and session alone. An error, with a sentence: the address makes no sense, or memory is
 * out; what goes wrong later comes with `closed`. */
int link_connect(const struct link_self *self, struct env_loop *loop, const char *address,
	const Raftkv__Hello *hello, const struct link_handlers *handlers, struct link **link,
	struct status *status);
/* Takes a stream that env_listen gave. NULL: out of memory, and the stream is closed. */
struct link *link_accept(const struct link_self *self, struct env_loop *loop, struct env_stream *stream,
	const struct link_handlers *handlers);

/* From `greeted`, which returns 0: the answer is to be given later, by link_answer. */
void link_defer(struct link *link);
/* `refusal` NULL: welcome. On a link that is closing nothing happens. */
void link_answer(struct link *link, const struct status *refusal);
/* Another owner: its handlers are called from now on. Also from `greeted`, when it is welcome. */
void link_adopt(struct link *link, const struct link_handlers *handlers);

/* From now on; once. It outlives the link, and has room for FRAME_SIZE_MAX at least. */
void link_set_budget(struct link *link, struct budget *budget);
size_t link_queued(const struct link *link); /* bytes of memory that wait to be sent; 0: it is closing */

/* Shares the attachments. 0; STATUS_LIMIT: too much is waiting, or the frame is too large; -ENOTCONN: not greeted yet, or
 * closing; -ENOMEM. A frame that was taken may still be lost with the link. */
int link_send(struct link *link, uint16_t type, uint64_t request, const ProtobufCMessage *head,
	struct buf *const *attachments, uint32_t attachment_count);
/* Back-pressure: no `received` until link_resume. A paused link is not given up for its silence, nor for a slow frame. */
void link_pause(struct link *link);
void link_resume(struct link *link);
/* `why` may be NULL, else it is copied. May be repeated; the first reason counts. */
void link_close(struct link *link, const struct status *why);

#endif
