#include "store/peer/lease.h"

void lease_init(struct lease *lease, uint64_t duration)
{
	*lease = (struct lease){.duration = duration};
}

void lease_renew(struct lease *lease, uint64_t sent)
{
	if (lease->duration == 0 || lease->is_suspect)
		return;
	if (sent + lease->duration > lease->bound)
		lease->bound = sent + lease->duration;
}

void lease_suspect(struct lease *lease)
{
	lease->is_suspect = true;
	lease->bound = 0;
}

void lease_expire(struct lease *lease)
{
	lease->is_suspect = false;
	lease->bound = 0;
}

bool lease_is_valid(const struct lease *lease, uint64_t now)
{
	return now < lease->bound;
}

uint64_t lease_bound(const struct lease *lease)
{
	return lease->bound;
}
