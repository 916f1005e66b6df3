#include "fs/client/listing.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/container.h"
#include "proto/units.h"

#define CHILD_WEIGHT 128u /* bytes of a child in an answer */

/* An inode in another region. */
struct child {
	uint64_t ino;
	bool has_attributes;
	struct attributes attributes;
};

/* What one request after the other asks for. */
struct part {
	struct listing *listing;
	uint32_t next, end; /* children that are left */
	uint32_t asked; /* of them, by the request under way */
	bool is_running;
	struct cluster_request request;
};

struct listing {
	struct listing_options options;
	struct buf *bytes, *data; /* the answer */
	struct child *children; /* ascending */
	uint32_t child_count;
	struct part *parts;
	uint32_t part_count;
	uint32_t running; /* parts, and a call that is not over yet */
	uint64_t deadline; /* env_now */
	int status; /* that the listing was given up with; 0: it was not */
};

static void on_part(struct cluster_request *request, int status, const struct cluster_answer *answer);

static void listing_free(struct listing *listing)
{
	buf_unref(listing->bytes);
	buf_unref(listing->data);
	free(listing->children);
	free(listing->parts);
	free(listing);
}

static uint64_t listing_now(const struct listing *listing)
{
	return env_now(env_loop_env(dispatcher_loop(listing->options.dispatcher)));
}

/* ---- Giving the entries again ---- */

static int compare_children(const void *a, const void *b)
{
	uint64_t left = ((const struct child *)a)->ino, right = ((const struct child *)b)->ino;

	return (left > right) - (left < right);
}

static struct child *find_child(const struct listing *listing, uint64_t ino)
{
	const struct child wanted = {.ino = ino};

	return bsearch(&wanted, listing->children, listing->child_count, sizeof wanted, compare_children);
}

static bool lacks_attributes(const struct read_entry *entry)
{
	return !entry->attributes && slice_compare(entry->name, slice_of("..", 2)) != 0;
}

static void begin_again(void *argument)
{
	const struct finding *finding = ((struct listing *)argument)->options.finding;

	finding->begin(finding->argument);
}

static int give_again(void *argument, const struct read_entry *entry)
{
	const struct listing *listing = argument;
	const struct finding *finding = listing->options.finding;
	const struct child *child = lacks_attributes(entry) ? find_child(listing, entry->ino) : NULL;
	struct read_entry joined = *entry;

	if (child && child->has_attributes)
		joined.attributes = &child->attributes;
	return finding->entry(finding->argument, &joined);
}

static void listing_end(struct listing *listing)
{
	const struct listing_options options = listing->options;
	struct finding again = {.begin = begin_again, .entry = give_again, .argument = listing};
	int status = listing->status;

	if (status == 0)
		status = finding_take(
			options.question, buf_slice(listing->bytes), buf_slice(listing->data), &again);
	listing_free(listing);
	options.done(options.argument, status);
}

static void listing_release(struct listing *listing)
{
	if (--listing->running == 0)
		listing_end(listing);
}

/* ---- Asking other regions ---- */

/* -ENOMEM. */
static int encode_part(const struct part *part, struct buf **body)
{
	const struct child *children = part->listing->children + part->next;
	struct writer writer = writer_growing(QUESTION_INODES_MAX * sizeof(uint64_t));
	struct question question = {.kind = QUESTION_ATTRIBUTES_OF_MANY, .ino = children[0].ino};
	int status;

	for (uint32_t i = 0; i < part->asked; i++)
		writer_u64le(&writer, children[i].ino);
	question.inodes = writer_written(&writer);
	status = writer.status < 0 ? -ENOMEM : question_encode(&question, body);
	writer_close(&writer);
	return status;
}

static void ask_part(struct part *part)
{
	struct listing *listing = part->listing;
	uint64_t now = listing_now(listing);
	struct buf *body;

	part->asked = part->end - part->next;
	if (part->asked > QUESTION_INODES_MAX)
		part->asked = QUESTION_INODES_MAX;
	if (encode_part(part, &body) < 0)
		return;
	part->request = (struct cluster_request){.kind = CLUSTER_REQUEST_READ,
		.key = fs_key_inode(listing->children[part->next].ino),
		.body = body,
		.weight = body->size + part->asked * CHILD_WEIGHT,
		.limit = now < listing->deadline ? listing->deadline - now : 1,
		.done = on_part};
	part->is_running = dispatcher_run(listing->options.dispatcher, &part->request) == 0;
	listing->running += part->is_running;
	if (!part->is_running)
		buf_unref(body);
}

static void begin_children(void *argument)
{
	(void)argument;
}

/* An inode without a name is not what the entry means by now. */
static void take_child(void *argument, const struct attributes *attributes)
{
	struct child *child = find_child(argument, attributes->ino);

	if (!child || attributes->nlink == 0)
		return;
	child->attributes = *attributes;
	child->has_attributes = true;
}

/* Where the request goes on; not before the next child. */
static uint32_t find_next(const struct part *part, uint64_t elsewhere)
{
	const struct listing *listing = part->listing;
	uint32_t next = part->next + part->asked;

	if (elsewhere == 0)
		return next;
	while (next > part->next + 1 && listing->children[next - 1].ino >= elsewhere)
		next--;
	return next;
}

static void on_part(struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	const struct question question = {.kind = QUESTION_ATTRIBUTES_OF_MANY};
	struct part *part = container_of(request, struct part, request);
	struct listing *listing = part->listing;
	struct finding finding = {.begin = begin_children, .inode = take_child, .argument = listing};

	buf_unref(request->body);
	part->is_running = false;
	if (status == 0)
		status = finding_take(&question, answer->bytes, buf_slice(answer->data), &finding);
	if (status == 0) {
		part->next = find_next(part, finding.found);
		if (part->next < part->end)
			ask_part(part);
	}
	listing_release(listing);
}

/* ---- Parts ---- */

static bool begins_part(const struct listing *listing, uint32_t i)
{
	struct fs_key key = fs_key_inode(listing->children[i].ino), before;

	if (i == 0)
		return true;
	before = fs_key_inode(listing->children[i - 1].ino);
	return !dispatcher_is_same_region(listing->options.dispatcher, &before, &key);
}

/* 0 or -ENOMEM. */
static int make_parts(struct listing *listing)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < listing->child_count && count < LISTING_PARTS_MAX; i++)
		count += begins_part(listing, i);
	listing->parts = calloc(count, sizeof *listing->parts);
	if (!listing->parts)
		return -ENOMEM;
	for (uint32_t i = 0; i < listing->child_count; i++) {
		if (listing->part_count < count && begins_part(listing, i))
			listing->parts[listing->part_count++] = (struct part){.listing = listing, .next = i};
		listing->parts[listing->part_count - 1].end = i + 1;
	}
	return 0;
}

/* ---- The directory's answer ---- */

/* Hands entries on, and collects the children in other regions. */
struct gathering {
	const struct finding *finding;
	struct child *children;
	uint32_t count, capacity;
};

static void gathering_begin(void *argument)
{
	const struct finding *finding = ((struct gathering *)argument)->finding;

	finding->begin(finding->argument);
}

static void gathering_add(struct gathering *gathering, const struct read_entry *entry)
{
	if (gathering->count == gathering->capacity) {
		uint32_t capacity = gathering->capacity > 0 ? gathering->capacity * 2 : 32;
		struct child *children = NULL;

		if (capacity <= LISTING_CHILDREN_MAX)
			children = realloc(gathering->children, capacity * sizeof *children);
		if (!children)
			return;
		gathering->children = children;
		gathering->capacity = capacity;
	}
	gathering->children[gathering->count++] = (struct child){.ino = entry->ino};
}

static int gathering_give(void *argument, const struct read_entry *entry)
{
	struct gathering *gathering = argument;
	int status = gathering->finding->entry(gathering->finding->argument, entry);

	if (status == 0 && lacks_attributes(entry))
		gathering_add(gathering, entry);
	return status;
}

/* Sorts the children. A file with several names is one child. */
static void gathering_sort(struct gathering *gathering)
{
	uint32_t kept = 0;

	qsort(gathering->children, gathering->count, sizeof *gathering->children, compare_children);
	for (uint32_t i = 0; i < gathering->count; i++)
		if (kept == 0 || gathering->children[kept - 1].ino != gathering->children[i].ino)
			gathering->children[kept++] = gathering->children[i];
	gathering->count = kept;
}

/* Takes the children. NULL: out of memory. */
static struct listing *listing_new(const struct listing_options *options, const struct cluster_answer *answer,
	struct gathering *gathering)
{
	struct listing *listing = calloc(1, sizeof *listing);
	uint64_t patience = LISTING_PATIENCE_MS * NS_PER_MS;

	if (!listing) {
		free(gathering->children);
		return NULL;
	}
	gathering_sort(gathering);
	listing->options = *options;
	listing->children = gathering->children;
	listing->child_count = gathering->count;
	listing->bytes = buf_copy(answer->bytes.data, answer->bytes.size);
	listing->data = buf_ref(answer->data);
	if (options->limit > 0 && options->limit < patience)
		patience = options->limit;
	listing->deadline = listing_now(listing) + patience;
	if (!listing->bytes || make_parts(listing) < 0) {
		listing_free(listing);
		return NULL;
	}
	return listing;
}

int listing_take(
	const struct listing_options *options, const struct cluster_answer *answer, struct listing **out)
{
	struct gathering gathering = {.finding = options->finding};
	struct finding first = {.begin = gathering_begin, .entry = gathering_give, .argument = &gathering};
	int status = finding_take(options->question, answer->bytes, buf_slice(answer->data), &first);
	struct listing *listing;

	*out = NULL;
	options->finding->attributes = first.attributes;
	if (status < 0 || gathering.count == 0) {
		free(gathering.children);
		return status;
	}
	listing = listing_new(options, answer, &gathering);
	if (!listing)
		return -ENOMEM;
	for (uint32_t i = 0; i < listing->part_count; i++)
		ask_part(&listing->parts[i]);
	if (listing->running == 0) {
		listing_free(listing);
		return 0;
	}
	*out = listing;
	return 1;
}

void listing_give_up(struct listing *listing, int status)
{
	listing->status = status;
	listing->running++;
	for (uint32_t i = 0; i < listing->part_count; i++)
		if (listing->parts[i].is_running)
			dispatcher_give_up(&listing->parts[i].request, status);
	listing_release(listing);
}
