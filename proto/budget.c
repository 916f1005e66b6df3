#include "proto/budget.h"

#include "proto/check.h"
#include "proto/status.h"

void budget_init(struct budget *budget, size_t size_max)
{
	*budget = (struct budget){.size_max = size_max};
}

static bool fits(const struct budget *budget, size_t size)
{
	return budget->size <= budget->size_max && size <= budget->size_max - budget->size;
}

/* After the claims that are as small. */
static void enqueue(struct budget *budget, struct budget_claim *claim)
{
	struct budget_claim **place = &budget->first;

	while (*place && (*place)->size <= claim->size)
		place = &(*place)->next;
	claim->next = *place;
	claim->self = place;
	if (claim->next)
		claim->next->self = &claim->next;
	*place = claim;
	claim->is_waiting = true;
	budget->waiting_count++;
}

static void unlink_claim(struct budget *budget, struct budget_claim *claim)
{
	*claim->self = claim->next;
	if (claim->next)
		claim->next->self = claim->self;
	claim->is_waiting = false;
	budget->waiting_count--;
}

static void grant(struct budget *budget)
{
	while (budget->first && fits(budget, budget->first->size)) {
		struct budget_claim *claim = budget->first;

		unlink_claim(budget, claim);
		budget->size += claim->size;
		claim->granted(claim);
	}
}

int budget_claim(struct budget *budget, struct budget_claim *claim, size_t size)
{
	check(claim->size == 0 && size > 0);
	check(size <= budget->size_max);
	if (fits(budget, size) && (!budget->first || size < budget->first->size)) {
		claim->size = size;
		budget->size += size;
		return 0;
	}
	if (budget->waiting_count >= BUDGET_WAITING_MAX)
		return STATUS_LIMIT;
	claim->size = size;
	enqueue(budget, claim);
	return 0;
}

void budget_shrink(struct budget *budget, struct budget_claim *claim, size_t size)
{
	check(size <= claim->size);
	if (!claim->is_waiting)
		budget->size -= claim->size - size;
	claim->size = size;
	grant(budget);
}

void budget_release(struct budget *budget, struct budget_claim *claim)
{
	if (claim->size == 0)
		return;
	if (claim->is_waiting)
		unlink_claim(budget, claim);
	else
		budget->size -= claim->size;
	claim->size = 0;
	grant(budget);
}
