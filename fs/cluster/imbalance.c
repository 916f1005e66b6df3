#include "fs/cluster/imbalance.h"

void imbalance_note(struct imbalance *imbalance, struct balance_excess excess, uint64_t now)
{
	imbalance->now = excess;
	if (excess.bytes == 0) {
		imbalance->least = 0;
		return;
	}
	if (imbalance->least > 0 &&
		excess.bytes >= imbalance->least - imbalance->least / 100 * IMBALANCE_SHRINKS_PERCENT)
		return;
	imbalance->least = excess.bytes;
	imbalance->since = now;
}

uint64_t imbalance_age(const struct imbalance *imbalance, uint64_t now)
{
	return imbalance->least == 0 ? 0 : now - imbalance->since;
}
