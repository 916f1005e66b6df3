/* Timers, for every implementation: a heap of deadlines in the loop. */
#include "proto/env_ops.h"

#include "proto/check.h"
#include "proto/container.h"

static struct env_timer *timer_of(struct heap_node *node)
{
	return container_of(node, struct env_timer, node);
}

void env_timer_start(struct env_timer *timer, struct env_loop *loop, uint64_t deadline, env_timer_cb expired)
{
	check(!heap_has(&timer->node) || timer->loop == loop);
	timer->loop = loop;
	timer->expired = expired;
	/* The heap grows by pointers: if there is no memory even for these, no caller could do without its timer. */
	check(heap_set(&loop->timers, &timer->node, deadline) == 0);
}

void env_timer_stop(struct env_timer *timer)
{
	if (heap_has(&timer->node))
		heap_remove(&timer->loop->timers, &timer->node);
}

bool env_timer_is_running(const struct env_timer *timer)
{
	return heap_has(&timer->node);
}

void env_loop_expire_timers(struct env_loop *loop, uint64_t now)
{
	/* `left` bounds the loop: callbacks may start timers that are due already. */
	for (size_t left = loop->timers.count; left > 0 && env_loop_deadline(loop) <= now; left--) {
		struct heap_node *node = heap_first(&loop->timers);

		heap_remove(&loop->timers, node);
		timer_of(node)->expired(timer_of(node));
	}
}

uint64_t env_loop_deadline(const struct env_loop *loop)
{
	const struct heap_node *first = heap_first(&loop->timers);

	return first ? first->key : UINT64_MAX;
}
