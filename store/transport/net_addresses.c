/* The addresses of other stores, and telling them of this store's life before any other message. */
#include "store/transport/net_transport_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/container.h"
#include "proto/plant.h"
#include "proto/units.h"

#define TELLING_EVERY_MS 250u
#define TOLD_AT_ONCE_MAX 256u /* stores */

/* ---- Addresses -------------------------------------------------------------------------------------------------- */

/* Under the lock. NULL: no memory. */
static struct address *find_or_add(struct net_transport *transport, uint64_t store)
{
	struct address *address;

	HASH_FIND(hh, transport->addresses, &store, sizeof store, address);
	if (address)
		return address;
	address = calloc(1, sizeof *address);
	if (!address)
		return NULL;
	address->store = store;
	HASH_ADD(hh, transport->addresses, store, sizeof store, address);
	return address;
}

int net_transport_set_address(struct net_transport *transport, uint64_t store, const char *text)
{
	struct address *address;
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	pthread_mutex_lock(&transport->lock);
	address = find_or_add(transport, store);
	if (address) {
		free(address->text);
		address->text = copy;
	}
	pthread_mutex_unlock(&transport->lock);
	if (!address)
		free(copy);
	return address ? 0 : -ENOMEM;
}

int net_transport_set_out(struct net_transport *transport, uint64_t store)
{
	struct address *address;

	pthread_mutex_lock(&transport->lock);
	address = find_or_add(transport, store);
	if (address)
		address->is_out = true;
	pthread_mutex_unlock(&transport->lock);
	return address ? 0 : -ENOMEM;
}

char *net_address_of(struct net_transport *transport, uint64_t store)
{
	struct address *address;
	char *text;

	pthread_mutex_lock(&transport->lock);
	HASH_FIND(hh, transport->addresses, &store, sizeof store, address);
	text = address && address->text ? strdup(address->text) : NULL;
	pthread_mutex_unlock(&transport->lock);
	return text;
}

void net_addresses_free(struct net_transport *transport)
{
	struct address *address, *next;

	HASH_ITER (hh, transport->addresses, address, next) {
		HASH_DEL(transport->addresses, address);
		free(address->text);
		free(address);
	}
}

/* ---- Telling ---------------------------------------------------------------------------------------------------- */

static bool is_to_be_told(const struct net_transport *transport, const struct address *address)
{
	return address->text && !address->is_out && !address->is_told &&
	       address->store != transport->self->store;
}

void net_count_told(struct net_transport *transport, uint32_t *told, uint32_t *untold)
{
	*told = *untold = 0;
	pthread_mutex_lock(&transport->lock);
	for (struct address *address = transport->addresses; address; address = address->hh.next) {
		*told += address->is_told;
		*untold += is_to_be_told(transport, address);
	}
	pthread_mutex_unlock(&transport->lock);
}

void net_transport_refused(struct net_transport *transport, const struct status *why)
{
	uint32_t told, untold;

	net_count_told(transport, &told, &untold);
	raftkv_refused(transport->raftkv, why, told > 0);
}

static void on_speak(struct env_mail *mail)
{
	struct net_lane *lane = container_of(mail, struct net_lane, speak_mail);

	for (struct net_remote *remote = lane->remotes; remote; remote = remote->hh.next)
		net_remote_send(remote);
}

static void speak(struct net_transport *transport)
{
	if (atomic_exchange(&transport->may_speak, true))
		return;
	for (uint32_t i = 0; i < transport->lane_count; i++)
		env_post(transport->lanes[i].loop, &transport->lanes[i].speak_mail, on_speak);
}

static void note(struct net_transport *transport, uint64_t store, bool is_told)
{
	bool is_open = false; /* the question */
	struct address *noted;

	pthread_mutex_lock(&transport->lock);
	HASH_FIND(hh, transport->addresses, &store, sizeof store, noted);
	if (noted && is_told)
		noted->is_told = true;
	if (noted)
		noted->is_tried = true;
	for (struct address *address = transport->addresses; address; address = address->hh.next)
		is_open |= is_to_be_told(transport, address) && !address->is_tried;
	pthread_mutex_unlock(&transport->lock);
	if (!is_open)
		speak(transport);
}

void net_note_told(struct net_transport *transport, uint64_t store)
{
	note(transport, store, true);
}

void net_note_tried(struct net_transport *transport, uint64_t store)
{
	note(transport, store, false);
}

static uint32_t find_untold(struct net_transport *transport, uint64_t stores[TOLD_AT_ONCE_MAX])
{
	uint32_t count = 0;

	pthread_mutex_lock(&transport->lock);
	for (struct address *address = transport->addresses; address && count < TOLD_AT_ONCE_MAX;
		address = address->hh.next)
		if (is_to_be_told(transport, address))
			stores[count++] = address->store;
	pthread_mutex_unlock(&transport->lock);
	return count;
}

/* The greeting of a link tells the life. */
static void on_telling(struct env_timer *timer)
{
	struct net_transport *transport = container_of(timer, struct net_transport, telling_timer);
	struct net_lane *lane = &transport->lanes[0];
	uint64_t stores[TOLD_AT_ONCE_MAX], now = env_now(transport->self->env);
	uint32_t count = find_untold(transport, stores);

	for (uint32_t i = 0; i < count; i++) {
		struct net_remote *remote = net_remote_find(lane, stores[i]);

		if (remote)
			net_remote_call(remote);
	}
	if (count == 0 || now >= transport->telling_until)
		speak(transport);
	env_timer_start(timer, lane->loop, now + TELLING_EVERY_MS * NS_PER_MS, on_telling);
}

static void on_start(struct env_mail *mail)
{
	struct net_transport *transport = container_of(mail, struct net_transport, start_mail);

	if (transport->lanes[0].is_stopping)
		return;
	transport->telling_until = env_now(transport->self->env) + NET_TRANSPORT_TELLING_MS * NS_PER_MS;
	on_telling(&transport->telling_timer);
}

void net_start_telling(struct net_transport *transport)
{
	if (planted("members:spoken_untold"))
		atomic_store(&transport->may_speak, true);
	env_post(transport->lanes[0].loop, &transport->start_mail, on_start);
}

void net_stop_telling(struct net_transport *transport)
{
	env_timer_stop(&transport->telling_timer);
}
