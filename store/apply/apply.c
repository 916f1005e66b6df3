#include "store/apply/apply_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "store/route/route.h"
#include "store/rows/rows.h"

#define BATCH_TASKS_MAX	  256
#define DEFERRED_SIZE_MAX (16u << 20) /* bytes of deferred writes in flight above which a batch waits */

/* What the owner's loop applies itself. */
#define SMALL_ENTRIES_MAX 8u
#define SMALL_SIZE_MAX	  (64u << 10) /* bytes */

static struct apply_task *task_of(struct inbox_item *item)
{
	return (struct apply_task *)item; /* the first member */
}

/* ---- Tasks ------------------------------------------------------------------------------------------------------ */

struct apply_task *apply_task_new(struct apply_region *region, struct raft_message *message)
{
	size_t count = message->entries.count;
	struct apply_task *task = calloc(1, sizeof *task + count * sizeof(int));

	if (!task)
		return NULL;
	task->region = region;
	task->is_split = count == 1 && region_split_is(&message->entries.items[0]);
	task->message = *message;
	*message = (struct raft_message){0};
	return task;
}

void apply_task_free(struct apply_task *task)
{
	payload_list_free(&task->payloads);
	raft_message_close(&task->message);
	region_close(&task->halves[0]);
	region_close(&task->halves[1]);
	free(task);
}

/* ---- Batches ---------------------------------------------------------------------------------------------------- */

static void begin_batch(struct apply *apply);

static void apply_fail(struct apply *apply, int status, const char *sentence)
{
	apply->has_failed = true;
	engines_fail(apply->engines, status, sentence);
}

static void free_replaced(struct apply *apply, uint64_t mark)
{
	struct extent_edits *edits = &apply->edits;

	for (size_t i = 0; i < edits->freed_count; i++)
		blocks_free(apply->engines->blocks, edits->freed[i], mark);
	PLANT("store:reuse_before_flush", blocks_release(apply->engines->blocks, mark));
	extent_edits_clear(edits);
}

static int note(struct kv_flush *flush, const struct apply_task *task)
{
	const struct region *upper = &task->halves[1];
	int status = kv_flush_note(
		flush, task->region->region.id, task->region->index, task->size, task->has_deferred);

	if (status == 0 && upper->id > 0)
		status = kv_flush_note(flush, upper->id, REGION_FIRST_INDEX, 0, false);
	return status;
}

/* The batch is visible: drops the shared snapshots, notes the batch for flushing, and frees the replaced extents. */
static int publish(struct apply *apply)
{
	struct kv_flush *flush = apply->flush;
	uint64_t mark;
	int status = 0;

	for (struct apply_task *task = apply->running; task; task = task_of(task->item.next))
		route_snapshot_forget(task->region->route);
	mark = kv_flush_enter(flush);

	for (struct apply_task *task = apply->running; task && status == 0; task = task_of(task->item.next))
		status = note(flush, task);
	free_replaced(apply, mark);
	kv_flush_leave(flush);
	return status;
}

static void send_back(struct apply *apply)
{
	struct apply_task *task = apply->running;

	apply->running = NULL;
	while (task) {
		struct apply_task *next = task_of(task->item.next);

		inbox_push(apply->applied, &task->item);
		task = next;
	}
}

static void on_written(struct apply *apply, int status)
{
	struct kv_engine *kv = apply->engines->kv;

	kv->ops->batch_clear(apply->batch);
	if (status == 0)
		status = publish(apply);
	if (status < 0)
		apply_fail(apply, status, "a batch of applied entries cannot be written");
	else
		send_back(apply);
}

/* On the thread, which goes on with what waits. */
static void write_batch(struct apply *apply)
{
	struct kv_engine *kv = apply->engines->kv;

	on_written(apply, kv->ops->write(kv, apply->batch));
	if (apply->waiting && !apply->has_failed)
		begin_batch(apply);
}

static void finish_batch(struct apply *apply)
{
	int status = extent_edits_finish(&apply->edits, apply->engines->kv, apply->batch);

	if (status < 0)
		apply_fail(apply, status, "a committed entry cannot be applied");
	else
		write_batch(apply);
}

static void on_release(struct env_mail *mail)
{
	struct apply *apply = container_of(mail, struct apply, release_mail);

	if (!apply->is_held || apply->has_failed || apply->deferred_size > DEFERRED_SIZE_MAX)
		return;
	apply->is_held = false;
	finish_batch(apply);
}

static uint64_t size_of(const struct apply_write *write)
{
	return (uint64_t)write->request.extent.count * BLOCK_UNIT_SIZE;
}

/* On the loop that submitted it. */
static void apply_on_deferred(struct blocks_request *request)
{
	struct apply_write *write = container_of(request, struct apply_write, request);
	struct apply *apply = write->apply;
	uint64_t before = atomic_fetch_sub(&apply->deferred_size, size_of(write));

	if (request->status < 0 && !apply->has_failed)
		apply_fail(apply, request->status, "a small payload cannot be written");
	if (before > DEFERRED_SIZE_MAX)
		env_post_once(apply->loop, &apply->release_mail, on_release);
	free(write);
}

static int submit_writes(struct apply *apply, struct env_loop *loop)
{
	int status = 0;

	while (apply->writes && status == 0) {
		struct apply_write *write = apply->writes;

		write->request.loop = loop;
		write->request.done = apply_on_deferred;
		atomic_fetch_add(&apply->deferred_size, size_of(write));
		apply->writes = write->next;
		status = blocks_defer(apply->engines->blocks, &write->request);
		if (status < 0) {
			atomic_fetch_sub(&apply->deferred_size, size_of(write));
			free(write);
		}
	}
	return status;
}

/* Moves up to BATCH_TASKS_MAX waiting tasks into the batch, or one split. */
static void take_tasks(struct apply *apply)
{
	struct apply_task *last = apply->waiting;

	apply->running = apply->waiting;
	for (int i = 1; i < BATCH_TASKS_MAX && last->item.next; i++) {
		struct apply_task *next = task_of(last->item.next);

		if (last->is_split || next->is_split)
			break;
		last = next;
	}
	apply->waiting = task_of(last->item.next);
	last->item.next = NULL;
}

/* Of the running tasks. Deferred writes complete on `loop`. */
static int make_batch(struct apply *apply, struct env_loop *loop)
{
	int status = 0;

	for (struct apply_task *task = apply->running; task && status == 0; task = task_of(task->item.next))
		status = apply_task_entries(apply, task);
	return status == 0 ? submit_writes(apply, loop) : status;
}

static void begin_batch(struct apply *apply)
{
	int status;

	take_tasks(apply);
	status = make_batch(apply, apply->loop);
	if (status < 0) {
		apply_fail(apply, status, "a committed entry cannot be applied");
		return;
	}
	/* apply_on_deferred tells when it has become less. */
	apply->is_held = apply->deferred_size > DEFERRED_SIZE_MAX;
	if (!apply->is_held)
		finish_batch(apply);
}

static void on_tasks(struct inbox *inbox, struct inbox_item *items)
{
	struct apply *apply = (struct apply *)inbox; /* the first member */
	struct inbox_item **end = (struct inbox_item **)&apply->waiting;

	while (*end)
		end = &(*end)->next;
	*end = items;
	if (!apply->running && !apply->has_failed)
		begin_batch(apply);
}

/* ---- On the owner's loop ---------------------------------------------------------------------------------------- */

/* Whether an entry's mutations can be applied without waiting for the disk; then what they need has been read. */
static int prefetch(void *argument, const struct mutation *mutation)
{
	struct apply *apply = argument;

	switch (mutation->kind) {
	case MUTATION_PUT:
	case MUTATION_DELETE:
	case MUTATION_DELETE_RANGE:
		return 0;
	case MUTATION_WRITE:
		return extent_edits_prefetch(&apply->edits, apply->engines->kv, mutation->key,
			mutation->first, (uint32_t)mutation->count);
	case MUTATION_UNMAP:
		return STATUS_WOULD_BLOCK;
	}
	return STATUS_CORRUPT;
}

static bool is_ready(struct apply *apply, const struct raft_entry *entry)
{
	uint64_t epoch_version;

	return entry->type == RAFT_ENTRY_NORMAL && entry->payload_size == 0 &&
	       (!entry->data || mutations_each(entry, &epoch_version, prefetch, apply) == 0);
}

static bool is_small(const struct apply_task *task)
{
	const struct raft_entries *entries = &task->message.entries;
	size_t size = 0;

	if (task->is_split || entries->count > SMALL_ENTRIES_MAX)
		return false;
	for (size_t i = 0; i < entries->count; i++)
		size += buf_slice(entries->items[i].data).size;
	return size <= SMALL_SIZE_MAX;
}

/* An entry that is damaged, or is refused, is left to the thread, too. */
static bool may_apply_here(struct apply *apply, const struct apply_task *task)
{
	const struct raft_entries *entries = &task->message.entries;

	if (!is_small(task) || apply->deferred_size > DEFERRED_SIZE_MAX)
		return false;
	for (size_t i = 0; i < entries->count; i++)
		if (!is_ready(apply, &entries->items[i])) {
			extent_edits_clear(&apply->edits);
			return false;
		}
	return true;
}

static void on_stalled(struct env_mail *mail)
{
	write_batch(container_of(mail, struct apply, stalled_mail));
}

/* The thread has nothing to do, so that the batch is the caller's. */
static void apply_here(struct apply *apply, struct apply_task *task)
{
	struct kv_engine *kv = apply->engines->kv;
	int status;

	task->item.next = NULL;
	apply->running = task;
	status = make_batch(apply, apply->applied->loop);
	if (status == 0)
		status = extent_edits_finish(&apply->edits, kv, apply->batch);
	if (status < 0) {
		apply_fail(apply, status, "a committed entry cannot be applied");
		return;
	}
	status = kv->ops->try_write(kv, apply->batch);
	PLANT("store:stall_unnoticed", status = 0);
	if (status == STATUS_WOULD_BLOCK)
		env_post(apply->loop, &apply->stalled_mail, on_stalled);
	else
		on_written(apply, status);
}

void apply_submit(struct apply *apply, struct apply_task *task)
{
	bool is_idle = apply->in_flight == 0 && !apply->has_failed;

	PLANT("store:thread_overtaken", is_idle = true);
	apply->in_flight++;
	if (is_idle && may_apply_here(apply, task))
		apply_here(apply, task);
	else
		inbox_push(&apply->inbox, &task->item);
}

void apply_take_back(struct apply *apply)
{
	check(apply->in_flight > 0);
	apply->in_flight--;
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

int apply_start(struct apply *apply, struct engines *engines, struct kv_flush *flush,
	struct evaluator *evaluator, struct inbox *applied, const char *name)
{
	int status = env_loop_new(engines->env, name, &apply->loop);

	if (status < 0)
		return status;
	apply->engines = engines;
	apply->flush = flush;
	apply->evaluator = evaluator;
	apply->applied = applied;
	apply->batch = engines->kv->ops->batch_new(engines->kv);
	if (!apply->batch)
		return -ENOMEM;
	inbox_init(&apply->inbox, apply->loop, on_tasks);
	return env_loop_start(apply->loop);
}

static void free_tasks(struct inbox_item *item)
{
	while (item) {
		struct inbox_item *next = item->next;

		apply_task_free(task_of(item));
		item = next;
	}
}

void apply_stop(struct apply *apply)
{
	if (!apply->loop)
		return;
	env_loop_stop(apply->loop);
	env_loop_free(apply->loop);
	free_tasks(inbox_take(&apply->inbox));
	free_tasks(apply->running ? &apply->running->item : NULL);
	free_tasks(apply->waiting ? &apply->waiting->item : NULL);
	while (apply->writes) {
		struct apply_write *write = apply->writes;

		apply->writes = write->next;
		free(write);
	}
	extent_edits_clear(&apply->edits);
	if (apply->batch)
		apply->engines->kv->ops->batch_free(apply->batch);
}
