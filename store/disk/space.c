#include "store/disk/space.h"

int space_look(struct space *space, struct env *env, const char *path)
{
	struct env_space seen;
	int status = env_space(env, path, &seen);

	if (status < 0)
		return status;
	atomic_store(&space->total, seen.total);
	atomic_store(&space->available, seen.available);
	atomic_store(&space->is_short, seen.available < space->reserve_size);
	return 0;
}
