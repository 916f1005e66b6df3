#include "fs/transact/peers.h"

#include <stdlib.h>
#include <string.h>

struct peers {
	struct peers_options options;
	struct store_list seeds; /* this store first; borrows the addresses */
	struct dispatcher *dispatcher;
};

/* Without a session none is lost. */
static void peers_on_lost(void *argument, uint64_t session)
{
	(void)argument, (void)session;
}

/* The dispatcher goes on with another store, or makes the link again. */
static void peers_on_failed(void *argument, const char *address, const struct status *why)
{
	const struct peers *peers = argument;

	log_debug(peers->options.logger, "msg=\"a link to a store ended\" address=\"%s\" reason=\"%s\"",
		address, status_sentence(why));
}

static void peers_on_refused(void *argument, uint64_t store, const char *version)
{
	const struct peers *peers = argument;

	log_warn(peers->options.logger,
		"msg=\"a store is too old for a request of this one: upgrade it\" store=%llu version=\"%s\"",
		(unsigned long long)store, version);
}

static void add_seed(struct store_list *seeds, const char *address)
{
	if (seeds->count < STORE_LIST_COUNT_MAX && store_list_find(seeds, address) == 0)
		seeds->addresses[seeds->count++] = address;
}

struct peers *peers_new(const struct peers_options *options)
{
	struct peers *peers = calloc(1, sizeof *peers);
	struct dispatcher_options dispatcher = {.loop = options->loop,
		.logger = options->logger,
		.reads = REMOTE_READS_LEADER,
		.lost = peers_on_lost,
		.failed = peers_on_failed,
		.refused = peers_on_refused,
		.argument = peers};

	if (!peers)
		return NULL;
	peers->options = *options;
	add_seed(&peers->seeds, options->address);
	for (uint32_t i = 0; i < options->seeds->count; i++)
		add_seed(&peers->seeds, options->seeds->addresses[i]);
	dispatcher.seeds = &peers->seeds;
	peers->dispatcher = dispatcher_new(&dispatcher);
	if (!peers->dispatcher) {
		peers_free(peers);
		return NULL;
	}
	return peers;
}

struct dispatcher *peers_dispatcher(struct peers *peers)
{
	return peers->dispatcher;
}

void peers_stop(struct peers *peers, void (*stopped)(void *argument), void *argument)
{
	dispatcher_stop(peers->dispatcher, stopped, argument);
}

void peers_free(struct peers *peers)
{
	if (!peers)
		return;
	dispatcher_free(peers->dispatcher);
	free(peers);
}
