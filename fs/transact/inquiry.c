#include "fs/transact/inquiry.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/schema/question.h"
#include "proto/check.h"
#include "proto/container.h"
#include "proto/status.h"

/* Attempts whose anchors have one dirid: one question. */
struct inquiry_part {
	struct inquiry *inquiry;
	struct inquiry_part *next;
	uint32_t count;
	uint32_t indexes[QUESTION_ATTEMPTS_MAX]; /* of its attempts */
	bool is_running;
	struct buf *body;
	struct cluster_request request;
};

uint32_t inquiry_add(struct inquiry *inquiry, const struct attempt *attempt)
{
	uint32_t i = 0;

	while (i < inquiry->count && !attempt_is_same(&inquiry->attempts[i], attempt))
		i++;
	if (i == inquiry->count && i < INQUIRY_ATTEMPTS_MAX)
		inquiry->attempts[inquiry->count++] = *attempt;
	return i;
}

/* ---- Parts ---- */

static uint64_t dirid_of(const struct inquiry *inquiry, uint32_t index)
{
	return fs_ino_dirid(inquiry->attempts[index].anchor);
}

static struct inquiry_part *add_part(struct inquiry *inquiry)
{
	struct inquiry_part *part = calloc(1, sizeof *part);

	if (!part)
		return NULL;
	part->inquiry = inquiry;
	part->next = inquiry->parts;
	inquiry->parts = part;
	return part;
}

static struct inquiry_part *find_part(const struct inquiry *inquiry, uint64_t dirid)
{
	struct inquiry_part *part = inquiry->parts;

	while (part && (part->count == QUESTION_ATTEMPTS_MAX || dirid_of(inquiry, part->indexes[0]) != dirid))
		part = part->next;
	return part;
}

/* 0 or -ENOMEM. */
static int make_parts(struct inquiry *inquiry)
{
	for (uint32_t i = 0; i < inquiry->count; i++) {
		struct inquiry_part *part = find_part(inquiry, dirid_of(inquiry, i));

		if (!part)
			part = add_part(inquiry);
		if (!part)
			return -ENOMEM;
		part->indexes[part->count++] = i;
	}
	return 0;
}

static void close_parts(struct inquiry *inquiry)
{
	while (inquiry->parts) {
		struct inquiry_part *part = inquiry->parts;

		inquiry->parts = part->next;
		buf_unref(part->body);
		free(part);
	}
}

static struct question question_of(const struct inquiry_part *part)
{
	return (struct question){.kind = QUESTION_ATTEMPTS,
		.ino = part->inquiry->attempts[part->indexes[0]].anchor,
		.size = part->count};
}

/* 0 or -ENOMEM. */
static int encode_question(struct inquiry_part *part)
{
	struct writer writer = writer_growing(QUESTION_SIZE_MAX);
	struct question question = question_of(part);
	int status;

	for (uint32_t i = 0; i < part->count; i++)
		attempt_encode(&part->inquiry->attempts[part->indexes[i]], &writer);
	question.attempts = writer_written(&writer);
	status = writer.status < 0 ? -ENOMEM : question_encode(&question, &part->body);
	writer_close(&writer);
	return status;
}

/* ---- Answers ---- */

static int take_verdicts(struct inquiry_part *part, const struct cluster_answer *answer)
{
	const struct question question = question_of(part);
	uint8_t verdicts[QUESTION_ATTEMPTS_MAX];
	struct finding finding = {.bytes = verdicts};
	int status = finding_take(&question, answer->bytes, buf_slice(answer->data), &finding);

	for (uint32_t i = 0; i < part->count && status == 0; i++)
		part->inquiry->verdicts[part->indexes[i]] = verdicts[i];
	return status;
}

static void inquiry_release(struct inquiry *inquiry)
{
	if (--inquiry->waiting > 0)
		return;
	close_parts(inquiry);
	inquiry->done(inquiry, inquiry->status);
}

static void on_part(struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct inquiry_part *part = container_of(request, struct inquiry_part, request);
	struct inquiry *inquiry = part->inquiry;

	part->is_running = false;
	if (status == 0)
		status = take_verdicts(part, answer);
	if (inquiry->status == 0)
		inquiry->status = status;
	inquiry_release(inquiry);
}

/* ---- Asking ---- */

static int start_part(struct inquiry_part *part)
{
	struct inquiry *inquiry = part->inquiry;
	int status = encode_question(part);

	if (status < 0)
		return status;
	part->request = (struct cluster_request){.kind = CLUSTER_REQUEST_READ,
		.key = fs_key_inode(inquiry->attempts[part->indexes[0]].anchor),
		.body = part->body,
		.weight = part->body->size + part->count,
		.is_for_leader = true,
		.is_urgent = true,
		.limit = inquiry->limit,
		.done = on_part};
	status = dispatcher_run(inquiry->peers, &part->request);
	part->is_running = status == 0;
	inquiry->waiting += part->is_running;
	return status;
}

/* The caller holds `waiting`, so that the inquiry does not end in here. */
static void stop_parts(struct inquiry *inquiry, int status)
{
	for (struct inquiry_part *part = inquiry->parts; part; part = part->next)
		if (part->is_running)
			dispatcher_give_up(&part->request, status);
}

int inquiry_start(struct inquiry *inquiry)
{
	int status;

	check(inquiry->count > 0 && inquiry->count <= INQUIRY_ATTEMPTS_MAX);
	inquiry->parts = NULL;
	inquiry->waiting = 1;
	inquiry->status = 0;
	status = make_parts(inquiry);
	for (struct inquiry_part *part = inquiry->parts; part && status == 0; part = part->next)
		status = start_part(part);
	if (status < 0) {
		stop_parts(inquiry, status);
		close_parts(inquiry);
	}
	inquiry->waiting--;
	return status;
}

void inquiry_give_up(struct inquiry *inquiry, int status)
{
	inquiry->status = status;
	inquiry->waiting++;
	stop_parts(inquiry, status);
	inquiry_release(inquiry);
}
