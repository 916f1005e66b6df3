/*
 * link.h: a connection that carries frames (frame.h): first a greeting, then frames both ways, in order.
 *
 * The side that connects says who it is and which store it means to reach (Hello). The other side accepts, or refuses
 * with a sentence that both sides report. The link itself refuses a peer of another protocol, cluster or store; its owner
 * decides on the role (`greeted`), at once or later. A side that has nothing else to send for LINK_PING_MS sends a ping,
 * and a side that receives nothing for LINK_SILENCE_MS closes the link. Nothing is sent twice: a caller that still needs
 * an answer asks again on another link.
 *
 * A slow peer is closed as well: the greeting, of LINK_GREETING_SIZE_MAX bytes at most, must be complete within
 * LINK_GREETING_MS, and a frame may arrive at less than LINK_FRAME_RATE_MIN for LINK_FRAME_MS. These times are counted in
 * ticks of the link's timer, so that they do not pass while the process is stopped. If a budget is set, received and
 * queued bytes count there.
 *
 * All calls and callbacks are on one loop. A link frees itself after `closed`, which comes exactly once, later, whatever
 * ended the link.
 *
 * TLS will replace env_stream below (connect, accept, write, received); nothing above a link will change.
 */
#ifndef RAFTKV_PROTO_LINK_H
#define RAFTKV_PROTO_LINK_H

#include "proto/budget.h"
#include "proto/env.h"
#include "proto/frame.h"
#include "proto/raftkv.pb-c.h"
#include "proto/status.h"

/* Of all programs that understand each other. It is raised with what no replica may skip (raftkv.proto): other mutations,
 * rows or snapshots, other messages of Raft. Since 2 rows have intents (fs/schema/intent.h), which a leader must respect. */
#define LINK_PROTOCOL		2u
#define LINK_PING_MS		1000u
#define LINK_SILENCE_MS		5000u
#define LINK_GREETING_MS	5000u
#define LINK_GREETING_SIZE_MAX	4096u /* bytes behind the header */
#define LINK_FRAME_MS		10000u
#define LINK_FRAME_CONTENDED_MS 2000u /* LINK_FRAME_MS for a link whose claim keeps others waiting */
#define LINK_FRAME_RATE_MIN	(64u << 10) /* bytes/s */
#define LINK_UNCLAIMED_SIZE_MAX (16u << 10) /* bytes of a frame that needs no claim */
#define LINK_QUEUE_SIZE_MAX	(32u << 20) /* bytes queued to be sent; link_send then returns STATUS_LIMIT */

struct link;

struct link_handlers {
	void *argument;
	/* On an accepted link: the greeting has come. 0: accepted; negative, with a sentence: refused. */
	int (*greeted)(void *argument, struct link *link, const Raftkv__Hello *hello, struct status *refusal);
	/* On a link of link_connect: it was accepted, and frames may be sent. */
	void (*opened)(void *argument, struct link *link, const Raftkv__HelloReply *reply);
	/* As frame_cb: a negative status ends the link. */
	int (*received)(void *argument, struct link *link, const struct frame *frame);
	/* After link_send returned STATUS_LIMIT: at most half of the queue is left. May be NULL. */
	void (*drained)(void *argument, struct link *link);
	/* The last callback. `why` says what ended the link; its code is 0 after link_close without a reason, -EACCES if
	 * the other side does not serve this user, -ESTALE if the cluster does not know this store's directory,
	 * -EPROTO if it speaks another protocol, and -ECONNREFUSED if it refused for another reason. */
	void (*closed)(void *argument, struct link *link, const struct status *why);
};

/* The identity of a process, shared by all its links; `cluster` and `store` are 0 if it has none. */
struct link_self {
	struct env *env;
	uint64_t cluster;
	uint64_t store;
	uint64_t incarnation;
	uint64_t directory_id; /* of the store's directory */
	const uint64_t *lives; /* of that directory, the present one first */
	size_t life_count;
};

/* Connects. The caller sets the role, receiver and session of `hello`, which must stay valid only for the call. 0, or a
 * negative status with a sentence: the address cannot be parsed, or memory is out. A later failure comes with `closed`. */
int link_connect(const struct link_self *self, struct env_loop *loop, const char *address,
	const Raftkv__Hello *hello, const struct link_handlers *handlers, struct link **link,
	struct status *status);
/* Takes a stream of env_listen's `accepted`. NULL: out of memory, and the stream is closed. */
struct link *link_accept(const struct link_self *self, struct env_loop *loop, struct env_stream *stream,
	const struct link_handlers *handlers);

/* To be called from `greeted`, which then returns 0: link_answer gives the answer later. */
void link_defer(struct link *link);
/* Accepts with `refusal` NULL, else refuses. Does nothing on a link that is closing. */
void link_answer(struct link *link, const struct status *refusal);
/* Passes the link to another owner, whose handlers are called from now on. May be called from `greeted` if it accepts. */
void link_adopt(struct link *link, const struct link_handlers *handlers);

/* Counts the link in `budget` from now on. To be called once. The budget outlives the link and has room for at least
 * FRAME_SIZE_MAX. */
void link_set_budget(struct link *link, struct budget *budget);
size_t link_queued(const struct link *link); /* bytes of memory that wait to be sent; 0 if it is closing */

/* Sends a frame. Shares the attachments. 0; STATUS_LIMIT: the queue is full, or the frame too large; -ENOTCONN: not
 * greeted yet, or closing; -ENOMEM. A frame that was taken may still be lost with the link. */
int link_send(struct link *link, uint16_t type, uint64_t request, const ProtobufCMessage *head,
	struct buf *const *attachments, uint32_t attachment_count);
/* Back-pressure: no `received` until link_resume. A paused link is not closed for silence or for a slow frame. */
void link_pause(struct link *link);
void link_resume(struct link *link);
/* Copies `why`, which may be NULL. May be repeated; the first reason counts. */
void link_close(struct link *link, const struct status *why);

#endif
