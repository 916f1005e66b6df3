/* Deferred writes: their bytes can be read from the call on, before they reach the disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "store/blocks/blocks_internal.h"

/* `deferring` held: takes the drains whose writes are all done. */
static struct blocks_drain *take_drained(struct blocks *blocks)
{
	uint64_t oldest = deferred_writes_oldest(&blocks->deferred);
	struct blocks_drain *taken = NULL;
	struct blocks_drain **end = &taken;

	while (blocks->drains && blocks->drains->until < oldest) {
		*end = blocks->drains;
		blocks->drains = blocks->drains->next;
		end = &(*end)->next;
	}
	*end = NULL;
	return taken;
}

static void tell(struct blocks_drain *drain)
{
	while (drain) {
		struct blocks_drain *next = drain->next;

		env_post(drain->loop, &drain->mail, drain->done);
		drain = next;
	}
}

void blocks_deferred_arrived(struct blocks *blocks, const struct blocks_request *request)
{
	struct blocks_drain *drained = NULL;

	pthread_mutex_lock(&blocks->deferring);
	deferred_writes_remove(&blocks->deferred, request->extent.address);
	atomic_store(&blocks->deferred_count, blocks->deferred.count);
	if (blocks->drains)
		drained = take_drained(blocks);
	pthread_mutex_unlock(&blocks->deferring);
	tell(drained);
}

static void blocks_deferred_submit(struct env_mail *mail)
{
	struct blocks_request *request = container_of(mail, struct blocks_request, file.mail);

	blocks_submit_deferred(request->blocks, request);
}

/* Submitting the write takes time that the calling thread should not spend: the loop does it in its next turn. */
int blocks_defer(struct blocks *blocks, struct blocks_request *request)
{
	int status = blocks_copy_vector(request);

	if (status < 0)
		return status;
	check(request->copy.iov_len == (size_t)request->extent.count * BLOCK_UNIT_SIZE);
	pthread_mutex_lock(&blocks->deferring);
	status = deferred_writes_add(&blocks->deferred, request->extent, request->copy.iov_base);
	atomic_store(&blocks->deferred_count, blocks->deferred.count);
	pthread_mutex_unlock(&blocks->deferring);
	if (status < 0) {
		free(request->copy.iov_base);
		return status;
	}
	request->blocks = blocks;
	request->is_deferred = true;
	env_post(request->loop, &request->file.mail, blocks_deferred_submit);
	return 0;
}

void blocks_drain(struct blocks *blocks, struct blocks_drain *drain)
{
	struct blocks_drain **end = &blocks->drains;
	struct blocks_drain *drained;

	pthread_mutex_lock(&blocks->deferring);
	drain->until = blocks->deferred.begun;
	PLANT("blocks:drained_early", drain->until = 0);
	drain->next = NULL;
	while (*end)
		end = &(*end)->next;
	*end = drain;
	drained = take_drained(blocks);
	pthread_mutex_unlock(&blocks->deferring);
	tell(drained);
}

bool blocks_deferred_read(struct blocks *blocks, uint64_t address, uint32_t *count, void *bytes)
{
	const uint8_t *found;

	PLANT("blocks:deferred_not_read", return false);
	if (atomic_load(&blocks->deferred_count) == 0)
		return false;
	pthread_mutex_lock(&blocks->deferring);
	found = deferred_writes_find(&blocks->deferred, address, count);
	if (found)
		memcpy(bytes, found, (size_t)*count * BLOCK_UNIT_SIZE);
	pthread_mutex_unlock(&blocks->deferring);
	return found;
}
