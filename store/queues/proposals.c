#include "store/queues/proposals.h"

#include "proto/check.h"
#include "proto/status.h"

void proposal_queue_push(struct proposal_queue *queue, struct proposal *proposal)
{
	struct proposal *last = queue->last;

	check(!last || (last->term <= proposal->term && last->index < proposal->index));
	proposal->next = NULL;
	if (last)
		last->next = proposal;
	else
		queue->first = proposal;
	queue->last = proposal;
	queue->count++;
}

uint64_t proposal_queue_time(const struct proposal_queue *queue, uint64_t term, uint64_t index)
{
	for (const struct proposal *proposal = queue->first; proposal && proposal->index <= index;
		proposal = proposal->next)
		if (proposal->index == index && proposal->term == term)
			return proposal->proposed;
	return 0;
}

static struct proposal *proposal_queue_pop(struct proposal_queue *queue)
{
	struct proposal *proposal = queue->first;

	queue->first = proposal->next;
	if (!queue->first)
		queue->last = NULL;
	queue->count--;
	return proposal;
}

void proposal_queue_finish(struct proposal_queue *queue, uint64_t term, uint64_t index, int status)
{
	while (queue->first && queue->first->index <= index) {
		struct proposal *proposal = proposal_queue_pop(queue);

		if (proposal->term == term) {
			check(proposal->index == index);
			proposal->finish(proposal, status);
		} else {
			check(proposal->term < term);
			proposal->finish(proposal, STATUS_STALE_COMMAND);
		}
	}
}

void proposal_queue_fail(struct proposal_queue *queue, int status)
{
	struct proposal *proposal = queue->first;

	*queue = (struct proposal_queue){0};
	while (proposal) {
		struct proposal *next = proposal->next;

		proposal->finish(proposal, status);
		proposal = next;
	}
}
