#include "store/engines.h"

void engines_fail(struct engines *engines, int status, const char *sentence)
{
	if (atomic_exchange(&engines->has_failed, true))
		return;
	log_error(engines->logger, "the store stops: %s (%s)", sentence, status_name(status));
	if (engines->failed)
		engines->failed(engines->failed_argument, status, sentence);
}
