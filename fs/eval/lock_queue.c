#include "fs/eval/lock_queue.h"

#include "proto/plant.h"

#define REFRESH (LOCK_WAITER_SILENCE / 2) /* ns: `asked` is written again only past it */

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static bool is_meeting(const struct lock *a, const struct lock *b)
{
	return a->kind == b->kind && lock_conflicts(a, b);
}

static bool is_of_owner(const struct lock *a, const struct lock *b)
{
	return a->kind == b->kind && lock_is_same_owner(a, b);
}

static bool is_same_range(const struct lock *a, const struct lock *b)
{
	return a->start == b->start && a->end == b->end;
}

static bool is_same(const struct lock *a, const struct lock *b)
{
	return is_of_owner(a, b) && a->type == b->type && is_same_range(a, b);
}

/* ---- Rows ---- */

static int load_one(void *argument, struct slice key, struct slice value)
{
	struct lock_queue *queue = argument;
	struct lock_queue_entry *entry = &queue->entries[queue->count];
	int status;

	if (queue->count == LOCK_WAITER_COUNT_MAX)
		return 1;
	*entry = (struct lock_queue_entry){0};
	status = lock_waiter_decode(key, value, &entry->waiter);
	if (status != 0)
		return status;
	/* The clock of an earlier leader may have been ahead. */
	entry->is_silent =
		distance(queue->evaluation->input->wall, entry->waiter.asked) > LOCK_WAITER_SILENCE;
	queue->count++;
	return 0;
}

int lock_queue_load(struct lock_queue *queue, struct evaluation *evaluation, uint64_t ino)
{
	struct fs_key waiters = fs_key_prefix(ino, 'W');
	int status;

	queue->evaluation = evaluation;
	queue->ino = ino;
	queue->count = 0;
	status = evaluation_scan(evaluation, &waiters, load_one, queue);
	return status > 0 ? 0 : status;
}

uint32_t lock_queue_count(const struct lock_queue *queue, uint64_t session)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < queue->count; i++)
		count += queue->entries[i].waiter.lock.session == session;
	return count;
}

static void put(struct lock_queue *queue, struct lock_waiter *waiter)
{
	struct fs_key key = fs_key_waiter(queue->ino, waiter->order);
	uint8_t bytes[64];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	waiter->asked = queue->evaluation->input->wall;
	lock_waiter_encode(waiter, &writer);
	evaluation_put(queue->evaluation, &key, writer_written(&writer));
}

/* ---- The order ---- */

void lock_queue_note_held(struct lock_queue *queue, const struct lock *held)
{
	for (uint32_t i = 0; i < queue->count; i++)
		queue->entries[i].is_blocked =
			queue->entries[i].is_blocked || is_meeting(&queue->entries[i].waiter.lock, held);
}

/* The place of the waiter for this lock; `queue->count`: it has none. */
static uint32_t find(const struct lock_queue *queue, const struct lock *wanted)
{
	uint32_t i = 0;

	while (i < queue->count && !is_same(&queue->entries[i].waiter.lock, wanted))
		i++;
	return i;
}

bool lock_queue_is_next(const struct lock_queue *queue, const struct lock *wanted)
{
	uint32_t place = find(queue, wanted);
	bool is_next[LOCK_WAITER_COUNT_MAX];

	if (planted("fs:lock_overtaken"))
		return true;
	for (uint32_t i = 0; i < place; i++) {
		const struct lock_queue_entry *entry = &queue->entries[i];

		is_next[i] = !entry->is_silent && !entry->is_blocked;
		for (uint32_t j = 0; j < i && is_next[i]; j++)
			is_next[i] = !is_next[j] ||
				     !is_meeting(&entry->waiter.lock, &queue->entries[j].waiter.lock);
		if (is_next[i] && is_meeting(wanted, &entry->waiter.lock))
			return false;
	}
	return true;
}

uint32_t lock_queue_count_before(const struct lock_queue *queue, const struct lock *wanted)
{
	uint32_t place = find(queue, wanted), count = 0;

	for (uint32_t i = 0; i < place; i++)
		count += !queue->entries[i].is_silent && is_meeting(wanted, &queue->entries[i].waiter.lock);
	return count;
}

/* ---- Changes ---- */

void lock_queue_enter(struct lock_queue *queue, const struct lock *wanted)
{
	struct fs_key hold = fs_key_hold(wanted->session, queue->ino, FS_HOLD_LOCK);
	uint32_t place = find(queue, wanted);
	struct lock_waiter waiter = {.lock = *wanted, .order = 1};

	if (place < queue->count) {
		waiter = queue->entries[place].waiter;
		if (distance(queue->evaluation->input->wall, waiter.asked) > REFRESH)
			put(queue, &waiter);
	} else if (place < LOCK_WAITER_COUNT_MAX) {
		if (queue->count > 0)
			waiter.order = queue->entries[queue->count - 1].waiter.order + 1;
		put(queue, &waiter);
		evaluation_put_mark(queue->evaluation, KEY_LOCAL, &hold);
	}
}

static uint32_t remove_those(struct lock_queue *queue, const struct lock *lock,
	bool (*is_gone)(const struct lock *waiting, const struct lock *lock))
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < queue->count; i++) {
		struct fs_key key = fs_key_waiter(queue->ino, queue->entries[i].waiter.order);

		if (!is_gone(&queue->entries[i].waiter.lock, lock))
			continue;
		evaluation_delete(queue->evaluation, &key);
		count++;
	}
	return count;
}

uint32_t lock_queue_leave(struct lock_queue *queue, const struct lock *granted)
{
	if (planted("fs:lock_waiter_stays"))
		return 0;
	return remove_those(queue, granted, is_same);
}

static bool is_given_up(const struct lock *waiting, const struct lock *range)
{
	return is_of_owner(waiting, range) && is_same_range(waiting, range);
}

uint32_t lock_queue_give_up(struct lock_queue *queue, const struct lock *range)
{
	return remove_those(queue, range, is_given_up);
}

static bool is_dropped(const struct lock *waiting, const struct lock *range)
{
	return is_of_owner(waiting, range) && waiting->start <= range->end && range->start <= waiting->end;
}

uint32_t lock_queue_drop(struct lock_queue *queue, const struct lock *range)
{
	return remove_those(queue, range, is_dropped);
}
