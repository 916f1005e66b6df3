#include "store/route/route_changes.h"

#include "proto/plant.h"
#include "store/route/router.h"

int route_changes_init(struct route_changes *changes)
{
	*changes = (struct route_changes){0};
	atomic_init(&changes->next, 1);
	return -pthread_mutex_init(&changes->lock, NULL);
}

void route_changes_close(struct route_changes *changes)
{
	pthread_mutex_destroy(&changes->lock);
}

static void unlink_route(struct route_changes *changes, struct route *route)
{
	struct route_change *change = &route->change;

	if (change->before)
		change->before->change.after = change->after;
	if (change->after)
		change->after->change.before = change->before;
	else if (changes->last == route)
		changes->last = change->before;
}

static void append_route(struct route_changes *changes, struct route *route)
{
	route->change.before = changes->last;
	route->change.after = NULL;
	if (changes->last)
		changes->last->change.after = route;
	changes->last = route;
}

/* Where the route has the number that `next` had here, nothing is left to do: the look that takes that number comes after,
 * and sees the change. */
void route_changes_note(struct route_changes *changes, struct route *route)
{
	uint64_t next;

	if (atomic_load(&route->change.look) == atomic_load(&changes->next))
		return;
	pthread_mutex_lock(&changes->lock);
	next = atomic_load(&changes->next);
	PLANT("route:noted_once", next = 1);
	if (atomic_load(&route->change.look) != next) {
		unlink_route(changes, route);
		append_route(changes, route);
		atomic_store(&route->change.look, next);
	}
	pthread_mutex_unlock(&changes->lock);
}

uint64_t route_changes_look(struct route_changes *changes, uint64_t since,
	void (*each)(void *argument, struct route *route), void *argument)
{
	struct route *route;
	uint64_t next;

	pthread_mutex_lock(&changes->lock);
	next = atomic_fetch_add(&changes->next, 1) + 1;
	for (route = changes->last; route && atomic_load(&route->change.look) >= since;
		route = route->change.before)
		each(argument, route);
	pthread_mutex_unlock(&changes->lock);
	return next;
}
