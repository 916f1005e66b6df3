/* A read under way, and the functions that the files which answer reads share (service.h). */
#ifndef RAFTKV_FS_SERVER_SERVICE_READ_H
#define RAFTKV_FS_SERVER_SERVICE_READ_H

#include "fs/schema/question.h"
#include "fs/server/service_internal.h"

struct intents_read;

struct asked {
	struct service *service;
	struct rpc_request *request;
	struct buf *bytes; /* that the question borrows from */
	struct question question;
	struct raftkv_read read;
	struct raftkv_snapshot *snapshot;
	bool pass_on;
	bool has_room; /* QUESTION_SPACE: the coordinator knows `room` */
	struct coordinator_room room;
	uint64_t term; /* QUESTION_ATTEMPTS: of the leader here, before the snapshot; 0: none led here */
	struct intents_read *intents; /* NULL: it has met none */
	struct env_work work;
	int status;
	struct buf *finding, *data;
};

/* Takes a snapshot, and looks. */
void service_read_begin(struct asked *asked);
/* Looks at the snapshot that was taken. */
void service_read_look_now(struct asked *asked);
/* Answers it, and frees it. */
void service_read_finish(struct asked *asked, int status);

/* ---- Rows with intents ---- */

/* A first look met intents (STATUS_INTENTS). */
void service_intents_begin(struct asked *asked);
/* Later looks are through this view. */
struct view *service_intents_view(struct intents_read *intents, struct view *below);
/* A later look came to this status. */
void service_intents_on_look(struct asked *asked, int status);
void service_intents_free(struct intents_read *intents); /* it asks nobody; may be NULL */

/* ---- QUESTION_ATTEMPTS ---- */

/* Before the snapshot is taken. */
void service_attempts_prepare(struct asked *asked);
/* Answers from the snapshot and from the transactions of this store. STATUS_WOULD_BLOCK: a worker is to call
 * service_attempts_fetch, and then it may be tried again. */
int service_attempts_look(struct asked *asked, struct view *view);
int service_attempts_fetch(const struct asked *asked, struct view *view);

/* ---- QUESTION_PAGE ---- */

/* Answers from the snapshot. Takes as long as a page takes to read: only workers call it. */
int service_page_look(struct asked *asked, struct view *view);

#endif
