#include "fs/client/tree_usage.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/container.h"
#include "proto/status.h"

struct tree_usage {
	struct tree_usage_options options;
	struct usage_walk walk; /* the places that are left, and the sum */
	struct ino_set linked;
	struct cluster_request request;
};

static int ask_next(struct tree_usage *tree);

static void tree_usage_free(struct tree_usage *tree)
{
	usage_walk_close(&tree->walk);
	ino_set_close(&tree->linked);
	free(tree);
}

static void tree_usage_end(struct tree_usage *tree, int status)
{
	const struct tree_usage_options options = tree->options;

	tree_usage_free(tree);
	options.done(options.argument, status);
}

static int tell(const struct tree_usage *tree)
{
	const struct question *question = tree->options.question;
	struct usage usage;
	int status = usage_finish(&tree->walk, question->ino, &usage);

	return status == 0 ? finding_tell_usage(question, &usage, tree->options.finding) : status;
}

/* Adds what a run has counted, left and met. */
static int take_answer(struct tree_usage *tree, const struct cluster_answer *answer)
{
	const struct question question = {.kind = QUESTION_USAGE};
	struct usage_walk found = {0};
	struct finding finding = {.walk = &found};
	int status = finding_take(&question, answer->bytes, buf_slice(answer->data), &finding);

	if (status == 0)
		status = usage_walk_join(&tree->walk, &found);
	usage_walk_close(&found);
	return status == 0 ? usage_count_links(&tree->walk, &tree->linked) : status;
}

static void on_run(struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct tree_usage *tree = container_of(request, struct tree_usage, request);

	buf_unref(request->body);
	if (status == 0)
		status = take_answer(tree, answer);
	if (status == 0 && tree->walk.places.count > 0) {
		status = ask_next(tree);
		if (status == 0)
			return;
	}
	tree_usage_end(tree, status == 0 ? tell(tree) : status);
}

/* How many of the last places lie in one region, as far as is known. */
static uint32_t count_together(const struct tree_usage *tree)
{
	const struct usage_walk *walk = &tree->walk;
	uint32_t last = walk->places.count - 1, count = 1;
	struct fs_key key = fs_key_inode(walk->places.all[last].ino);

	while (count <= last && count < QUESTION_PLACES_MAX) {
		struct fs_key other = fs_key_inode(walk->places.all[last - count].ino);

		if (!dispatcher_is_same_region(tree->options.dispatcher, &key, &other))
			break;
		count++;
	}
	return count;
}

/* The last places, in their order. 0 or -ENOMEM. */
static int encode_run(const struct tree_usage *tree, uint32_t count, struct buf **body)
{
	const struct usage_place *places = tree->walk.places.all + (tree->walk.places.count - count);
	struct writer writer = writer_growing(count * (size_t)USAGE_RECORD_SIZE_MAX);
	struct question question = {.kind = QUESTION_USAGE,
		.ino = places[0].ino,
		.offset = TREE_USAGE_ENTRIES_MAX,
		.size = TREE_USAGE_NEWS_MAX};
	int status;

	for (uint32_t i = 0; i < count; i++)
		usage_place_encode(&places[i], &writer);
	question.places = writer_written(&writer);
	status = writer.status < 0 ? -ENOMEM : question_encode(&question, body);
	writer_close(&writer);
	return status;
}

/* The places that are asked for are the answer's from now on. */
static int ask_next(struct tree_usage *tree)
{
	uint32_t count = count_together(tree);
	struct fs_key key = fs_key_inode(tree->walk.places.all[tree->walk.places.count - count].ino);
	struct buf *body;
	int status = encode_run(tree, count, &body);

	if (status < 0)
		return status;
	tree->walk.places.count -= count;
	tree->request = (struct cluster_request){.kind = CLUSTER_REQUEST_READ,
		.key = key,
		.body = body,
		.weight = body->size + (count + TREE_USAGE_NEWS_MAX) * (size_t)USAGE_RECORD_SIZE_MAX,
		.limit = tree->options.limit,
		.done = on_run};
	status = dispatcher_run(tree->options.dispatcher, &tree->request);
	if (status < 0)
		buf_unref(body);
	return status == STATUS_LIMIT ? -ENOMEM : status;
}

int tree_usage_start(const struct tree_usage_options *options, struct tree_usage **out)
{
	const struct usage_place top = {.ino = options->question->ino};
	struct tree_usage *tree = calloc(1, sizeof *tree);
	int status = -ENOMEM;

	if (!tree)
		return status;
	tree->options = *options;
	status = usage_walk_add_place(&tree->walk, &top);
	if (status == 0)
		status = ask_next(tree);
	if (status < 0) {
		tree_usage_free(tree);
		return status;
	}
	*out = tree;
	return 0;
}

void tree_usage_give_up(struct tree_usage *tree, int status)
{
	dispatcher_give_up(&tree->request, status);
}
