#include "store/rows/payload_list.h"

#include <stddef.h>

/* The place is nearly always the last. A payload that has waited for room may come after those of a new leader's
 * proposals. */
void payload_list_add(struct payload_list *list, struct payload *payload, uint64_t term, uint64_t index)
{
	struct payload **link = &list->first;

	payload->term = term;
	payload->index = index;
	if (list->last && list->last->index <= index)
		link = &list->last->next;
	while (*link && (*link)->index <= index)
		link = &(*link)->next;
	payload->next = *link;
	*link = payload;
	if (!payload->next)
		list->last = payload;
}

struct payload *payload_list_find(const struct payload_list *list, uint64_t index, bool is_reserve)
{
	struct payload *payload = list->first;

	if (!list->last || list->last->index < index)
		return NULL;
	while (payload && (payload->index < index || payload->is_reserve != is_reserve))
		payload = payload->next;
	return payload && payload->index == index ? payload : NULL;
}

struct payload *payload_list_take(struct payload_list *list, uint64_t index)
{
	struct payload *taken = list->first;
	struct payload **end = &taken;

	while (*end && (*end)->index <= index)
		end = &(*end)->next;
	list->first = *end;
	if (!list->first)
		list->last = NULL;
	*end = NULL;
	return taken;
}

static const struct raft_entry *entry_at(const struct raft_entries *entries, uint64_t index)
{
	uint64_t first = entries->items[0].index;

	return index >= first && index - first < entries->count ? &entries->items[index - first] : NULL;
}

struct payload *payload_list_cut(struct payload_list *list, const struct raft_entries *entries)
{
	struct payload **link = &list->first;
	struct payload *replaced;

	list->last = NULL;
	while (*link) {
		const struct raft_entry *entry = entry_at(entries, (*link)->index);
		bool is_same = entry && entry->term == (*link)->term;

		if ((*link)->index >= entries->items[0].index && !is_same)
			break;
		list->last = *link;
		link = &(*link)->next;
	}
	replaced = *link;
	*link = NULL;
	return replaced;
}

void payload_list_reserve(struct payload_list *list, struct blocks *blocks)
{
	for (struct payload *payload = list->first; payload; payload = payload->next)
		payload_reserve_now(payload, blocks);
}

void payload_list_release(struct payload **payloads, struct blocks *blocks, uint64_t mark)
{
	while (*payloads) {
		struct payload *payload = *payloads;

		*payloads = payload->next;
		payload_release(payload, blocks, mark);
	}
}

void payload_list_free(struct payload **payloads)
{
	while (*payloads) {
		struct payload *payload = *payloads;

		*payloads = payload->next;
		payload_free(payload);
	}
}
