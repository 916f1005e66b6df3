#include "tests/lib/linear.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"

#define NONE SIZE_MAX

/* The moment an operation was asked, or was answered; those that are left in a list, by time. */
struct event {
	struct event *next;
	struct event *previous;
	struct event *answer; /* of an asking: its answer; NULL: open */
	size_t operation;
	uint64_t moment;
	bool is_asking;
};

/* An operation that was given its place, and the state before it. */
struct placed {
	struct event *event;
	uint64_t state;
};

struct search {
	const struct linear_object *object;
	const struct history_operation *operations;
	size_t count;
	struct event *events; /* with a head */
	size_t event_count;
	uint64_t state;
	struct placed *placed;
	size_t placed_count;
	size_t answered_left;
	/* Which operations have a place, and the configurations (that and the state) that lead nowhere. */
	uint64_t *places;
	size_t word_count;
	uint64_t *seen; /* open addressing: word_count + 1 words each, the state last */
	bool *is_seen;
	size_t seen_count;
	size_t seen_capacity;
};

/* ---- Events ---- */

static int compare_events(const void *left, const void *right)
{
	const struct event *a = left, *b = right;

	return a->moment < b->moment ? -1 : a->moment > b->moment;
}

/* By time; `answer` is linked by the operation's number, as sorting moves events. */
static void list_events(struct search *search)
{
	struct event **answers = calloc(search->count + 1, sizeof *answers);

	check(answers);
	qsort(search->events + 1, search->event_count, sizeof *search->events, compare_events);
	for (size_t i = 1; i <= search->event_count; i++) {
		struct event *event = &search->events[i];

		event->previous = event - 1;
		event->next = i < search->event_count ? event + 1 : NULL;
		if (!event->is_asking)
			answers[event->operation] = event;
	}
	for (size_t i = 1; i <= search->event_count; i++)
		if (search->events[i].is_asking)
			search->events[i].answer = answers[search->events[i].operation];
	search->events[0].next = search->event_count > 0 ? &search->events[1] : NULL;
	free(answers);
}

static void collect_events(struct search *search)
{
	search->events = calloc(2 * search->count + 1, sizeof *search->events);
	check(search->events);
	for (size_t i = 0; i < search->count; i++) {
		const struct history_operation *operation = &search->operations[i];

		if (operation->outcome == HISTORY_NEVER)
			continue;
		search->events[++search->event_count] =
			(struct event){.operation = i, .moment = operation->asked, .is_asking = true};
		if (operation->outcome != HISTORY_DONE)
			continue;
		search->answered_left++;
		search->events[++search->event_count] =
			(struct event){.operation = i, .moment = operation->answered};
	}
	list_events(search);
}

static void unlink_event(struct event *event)
{
	event->previous->next = event->next;
	if (event->next)
		event->next->previous = event->previous;
}

static void relink_event(struct event *event)
{
	event->previous->next = event;
	if (event->next)
		event->next->previous = event;
}

/* ---- Configurations ---- */

static uint64_t hash_words(const uint64_t *words, size_t count)
{
	uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < count; i++) {
		hash = (hash ^ words[i]) * UINT64_C(0xff51afd7ed558ccd);
		hash ^= hash >> 32;
	}
	return hash;
}

static bool insert_words(struct search *search, const uint64_t *words)
{
	size_t size = search->word_count + 1;
	size_t slot = (size_t)hash_words(words, size) & (search->seen_capacity - 1);

	for (; search->is_seen[slot]; slot = (slot + 1) & (search->seen_capacity - 1))
		if (memcmp(search->seen + slot * size, words, size * sizeof *words) == 0)
			return false;
	search->is_seen[slot] = true;
	memcpy(search->seen + slot * size, words, size * sizeof *words);
	search->seen_count++;
	return true;
}

static void reserve_seen(struct search *search)
{
	uint64_t *seen = search->seen;
	bool *is_seen = search->is_seen;
	size_t capacity = search->seen_capacity, size = search->word_count + 1;

	if (2 * (search->seen_count + 1) <= capacity)
		return;
	search->seen_capacity = capacity > 0 ? 2 * capacity : 256;
	search->seen = calloc(search->seen_capacity * size, sizeof *seen);
	search->is_seen = calloc(search->seen_capacity, sizeof *is_seen);
	check(search->seen);
	check(search->is_seen);
	search->seen_count = 0;
	for (size_t i = 0; i < capacity; i++)
		if (is_seen[i])
			insert_words(search, seen + i * size);
	free(seen);
	free(is_seen);
}

/* False: this configuration was tried before. `places` has a word of room for the state. */
static bool remember(struct search *search, uint64_t state)
{
	reserve_seen(search);
	search->places[search->word_count] = state;
	return insert_words(search, search->places);
}

static void mark(struct search *search, size_t operation, bool has_place)
{
	uint64_t bit = UINT64_C(1) << operation % 64;

	if (has_place)
		search->places[operation / 64] |= bit;
	else
		search->places[operation / 64] &= ~bit;
}

/* ---- The search ---- */

/* Gives the operation the next place, if that leads anywhere new. */
static bool place(struct search *search, struct event *event)
{
	uint64_t next = search->state;

	if (!search->object->step(&search->operations[event->operation], search->state, &next))
		return false;
	if (!event->answer && next == search->state)
		return false; /* as well never */
	mark(search, event->operation, true);
	if (!remember(search, next)) {
		mark(search, event->operation, false);
		return false;
	}
	search->placed[search->placed_count++] = (struct placed){event, search->state};
	search->state = next;
	unlink_event(event);
	if (event->answer) {
		unlink_event(event->answer);
		search->answered_left--;
	}
	return true;
}

/* Takes the last place back; the event to go on behind. */
static struct event *take_back(struct search *search)
{
	struct placed *last = &search->placed[--search->placed_count];
	struct event *event = last->event;

	search->state = last->state;
	mark(search, event->operation, false);
	if (event->answer) {
		relink_event(event->answer);
		search->answered_left++;
	}
	relink_event(event);
	return event;
}

static enum linear_verdict run(struct search *search, struct linear_report *report)
{
	struct event *event = search->events[0].next;

	while (search->answered_left > 0) {
		if (++report->steps > LINEAR_STEPS_MAX)
			return LINEAR_UNDECIDED;
		if (event && event->is_asking) {
			event = place(search, event) ? search->events[0].next : event->next;
			continue;
		}
		check(event); /* an answer that is due, and its operation has no place */
		if (report->unexplained == NONE || search->placed_count > report->explained) {
			report->explained = search->placed_count;
			report->unexplained = event->operation;
		}
		if (search->placed_count == 0)
			return NOT_LINEAR;
		event = take_back(search)->next;
	}
	return LINEAR;
}

enum linear_verdict linear_check(
	const struct linear_object *object, const struct history *history, struct linear_report *report)
{
	struct search search = {.object = object,
		.operations = history->operations,
		.count = history->count,
		.state = object->initial,
		.word_count = history->count / 64 + 1};
	enum linear_verdict verdict;

	*report = (struct linear_report){.unexplained = NONE};
	search.placed = calloc(history->count + 1, sizeof *search.placed);
	search.places = calloc(search.word_count + 1, sizeof *search.places);
	check(search.placed);
	check(search.places);
	collect_events(&search);
	verdict = run(&search, report);
	free(search.events);
	free(search.placed);
	free(search.places);
	free(search.seen);
	free(search.is_seen);
	return verdict;
}
