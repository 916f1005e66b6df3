#include "fs/client/remote_read.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/client/client_ops.h"
#include "fs/client/listing.h"
#include "fs/client/tree_usage.h"
#include "fs/schema/virtual_xattrs.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "proto/units.h"

#define READ_WEIGHT 512u /* bytes of a read beside the data that it asks for */

/* A read under way. */
struct remote_read {
	struct client_read *read;
	struct dispatcher *dispatcher;
	uint64_t begun; /* env_now */
	uint64_t limit; /* ns from `begun`; 0: none */
	uint32_t lookups; /* LOOKUP: how often it was asked */
	uint64_t child; /* LOOKUP: the inode that another region is asked for */
	struct listing *listing; /* DIRECTORY: asks other regions; NULL: not yet */
	struct tree_usage *tree; /* VIRTUAL_XATTR: asks one region after the other; NULL: it does not */
	struct cluster_request request;
};

typedef void (*request_done_cb)(
	struct cluster_request *request, int status, const struct cluster_answer *answer);

static void on_read(struct cluster_request *request, int status, const struct cluster_answer *answer);
static void on_child(struct cluster_request *request, int status, const struct cluster_answer *answer);

static uint64_t remote_read_now(const struct remote_read *remote)
{
	return env_now(env_loop_env(dispatcher_loop(remote->dispatcher)));
}

static void remote_read_end(struct remote_read *remote, int status)
{
	struct client_read *read = remote->read;

	free(remote);
	client_end_read(read, status);
}

/* What is left of the limit. */
static uint64_t remote_read_limit(const struct remote_read *remote)
{
	uint64_t elapsed = remote_read_now(remote) - remote->begun;

	if (remote->limit == 0)
		return 0;
	return elapsed < remote->limit ? remote->limit - elapsed : 1;
}

static int start_request(struct remote_read *remote, const struct question *question, request_done_cb done)
{
	struct buf *body;
	int status = question_encode(question, &body);

	if (status < 0)
		return status;
	remote->request = (struct cluster_request){.kind = CLUSTER_REQUEST_READ,
		.key = question_key(question),
		.body = body,
		.weight = question->size + READ_WEIGHT,
		.is_for_leader = question->kind == QUESTION_SPACE,
		.limit = remote_read_limit(remote),
		.done = done};
	status = dispatcher_run(remote->dispatcher, &remote->request);
	if (status < 0)
		buf_unref(body);
	return status == STATUS_LIMIT ? -ENOMEM : status;
}

/* ---- A name whose inode is in another region ---- */

static int ask_for_name(struct remote_read *remote)
{
	struct question question = remote->read->question;

	question.takes_elsewhere = question.kind == QUESTION_LOOKUP;
	remote->lookups++;
	return start_request(remote, &question, on_read);
}

static int ask_for_child(struct remote_read *remote)
{
	struct question question = {.kind = QUESTION_ATTRIBUTES};

	remote->child = question.ino = remote->read->finding->attributes.ino;
	if (planted("fs:child_asked_at_parent"))
		question.ino = remote->read->question.ino;
	return start_request(remote, &question, on_child);
}

/* Did the inode lose the name after the entry was read? */
static bool is_child_gone(const struct remote_read *remote, int status)
{
	if (planted("fs:gone_child_found"))
		return false;
	return status == -ESTALE || (status == 0 && remote->read->finding->attributes.nlink == 0);
}

static void on_child(struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct remote_read *remote = container_of(request, struct remote_read, request);
	const struct question question = {.kind = QUESTION_ATTRIBUTES, .ino = remote->child};
	struct finding *finding = remote->read->finding;

	buf_unref(request->body);
	if (status == 0)
		status = finding_take(&question, answer->bytes, buf_slice(answer->data), finding);
	if (is_child_gone(remote, status)) {
		status = -ESTALE;
		if (remote->lookups < REMOTE_LOOKUPS_MAX) {
			status = ask_for_name(remote);
			if (status == 0)
				return;
		}
	}
	finding->is_elsewhere = false;
	remote_read_end(remote, status);
}

/* ---- A directory with children in other regions ---- */

static void on_ended(void *argument, int status)
{
	remote_read_end(argument, status);
}

/* As finding_take, or 1: the listing goes on. */
static int take_listing(struct remote_read *remote, const struct cluster_answer *answer)
{
	const struct listing_options options = {.dispatcher = remote->dispatcher,
		.question = &remote->read->question,
		.finding = remote->read->finding,
		.limit = remote_read_limit(remote),
		.done = on_ended,
		.argument = remote};

	return listing_take(&options, answer, &remote->listing);
}

/* ---- A tree in several regions ---- */

static bool is_of_tree(const struct question *question)
{
	return question->kind == QUESTION_VIRTUAL_XATTR &&
	       virtual_xattr_is_usage(question->name, question->ino);
}

/* The limit is for each request: a large tree takes many. */
static int count_tree(struct remote_read *remote)
{
	const struct tree_usage_options options = {.dispatcher = remote->dispatcher,
		.question = &remote->read->question,
		.finding = remote->read->finding,
		.limit = remote->limit,
		.done = on_ended,
		.argument = remote};

	return tree_usage_start(&options, &remote->tree);
}

/* ---- All questions ---- */

/* An only region counts a tree itself, in one moment. */
static int ask_first(struct remote_read *remote)
{
	const struct question *question = &remote->read->question;
	struct fs_key key = question_key(question);

	if (is_of_tree(question) && !dispatcher_is_only_region(remote->dispatcher, &key))
		return count_tree(remote);
	return ask_for_name(remote);
}

static void on_read(struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct remote_read *remote = container_of(request, struct remote_read, request);
	const struct question *question = &remote->read->question;
	struct finding *finding = remote->read->finding;

	buf_unref(request->body);
	if (status == STATUS_KEY_NOT_IN_REGION && is_of_tree(question)) {
		status = count_tree(remote);
		if (status == 0)
			return;
	}
	if (status == 0 && question->kind == QUESTION_DIRECTORY && question->is_plus)
		status = take_listing(remote, answer);
	else if (status == 0)
		status = finding_take(question, answer->bytes, buf_slice(answer->data), finding);
	if (status == 0 && question->kind == QUESTION_LOOKUP && finding->is_elsewhere) {
		status = ask_for_child(remote);
		if (status == 0)
			return;
	}
	if (status <= 0)
		remote_read_end(remote, status);
}

void remote_read_start(struct dispatcher *dispatcher, struct client_read *read, uint64_t limit)
{
	struct remote_read *remote = calloc(1, sizeof *remote);
	int status = -ENOMEM;

	read->remote = remote;
	if (remote) {
		remote->read = read;
		remote->dispatcher = dispatcher;
		remote->begun = remote_read_now(remote);
		remote->limit = limit;
		status = ask_first(remote);
	}
	if (status == 0)
		return;
	free(remote);
	read->done(read, status);
}

bool remote_read_give_up(struct client_read *read)
{
	struct remote_read *remote = read->remote;

	if (remote_read_now(remote) - remote->begun < CLIENT_PATIENCE_MS * NS_PER_MS)
		return false;
	if (remote->listing)
		listing_give_up(remote->listing, -EINTR);
	else if (remote->tree)
		tree_usage_give_up(remote->tree, -EINTR);
	else
		dispatcher_give_up(&remote->request, -EINTR);
	return true;
}
