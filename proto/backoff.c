#include "proto/backoff.h"

#include "proto/check.h"

uint64_t backoff_length(const struct backoff *backoff, uint32_t failures)
{
	check(backoff->first >= 2 && backoff->first <= backoff->most);
	if (failures >= 64 || backoff->first > backoff->most >> failures)
		return backoff->most;
	return backoff->first << failures;
}

uint64_t backoff_draw(const struct backoff *backoff, uint32_t failures, struct env *env)
{
	uint64_t length = backoff_length(backoff, failures), random;

	env_random(env, &random, sizeof random);
	return length / 2 + random % (length / 2);
}
