#include "tests/lib/kv_rows.h"

#include "proto/check.h"

void kv_rows_each(struct kv_engine *kv, const struct key *low, const struct key *high,
	void (*each)(void *argument, struct slice key, struct slice value), void *argument)
{
	struct kv_iterator *iterator;
	int status = kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(low), key_slice(high), &iterator);

	check(status == 0);
	for (status = kv->ops->seek(iterator, key_slice(low)); status == 0;
		status = kv->ops->next(iterator)) {
		struct slice key, value;

		kv->ops->row(iterator, &key, &value);
		each(argument, key, value);
	}
	check(status == STATUS_NOT_FOUND);
	kv->ops->iterator_free(kv, iterator);
}
