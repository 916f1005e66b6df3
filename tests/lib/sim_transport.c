#include "tests/lib/sim_transport.h"

#include <stdlib.h>

#include "proto/check.h"
#include "proto/container.h"
#include "tests/lib/sim_stream.h"

struct sim_letter {
	struct sim_letter *next;
	uint64_t due;
	/* Not a message: a call at its time. */
	void (*arrived)(void *argument);
	void *argument;
	struct peer_envelope envelope;
	struct raft_message message;
	/* Not 0: no message, but that the sending store is alive, in this incarnation. */
	uint64_t alive;
};

/* ---- Letters ---------------------------------------------------------------------------------------------------- */

static struct raft_message copy_of(const struct raft_message *message)
{
	struct raft_message copy = *message;

	copy.entries = (struct raft_entries){0};
	check(raft_entries_append(&copy.entries, message->entries.items, message->entries.count) == 0);
	copy.snapshot = NULL; /* travels another way */
	buf_ref(copy.context);
	copy.responses = NULL;
	copy.response_count = 0;
	return copy;
}

static void letter_free(struct sim_letter *letter)
{
	raft_message_close(&letter->message);
	free(letter);
}

static struct sim_transport_end *end_of(struct sim_transport *transport, uint64_t store)
{
	check(store > 0 && store <= SIM_TRANSPORT_STORES_MAX);
	return &transport->ends[store - 1];
}

static void deliver(struct sim_transport *transport, struct sim_letter *letter)
{
	struct sim_transport_end *to;

	if (letter->arrived) {
		letter->arrived(letter->argument);
		letter_free(letter);
		return;
	}
	to = end_of(transport, letter->envelope.to.store);
	if (letter->alive > 0 && to->raftkv && *to->raftkv && !to->is_cut)
		raftkv_hear_alive(*to->raftkv, letter->envelope.from.store, letter->alive);
	else if (to->raftkv && *to->raftkv && !to->is_cut)
		raftkv_step(*to->raftkv, &letter->envelope, &letter->message);
	letter_free(letter);
}

static void set_timer(struct sim_transport *transport);

static void on_timer(struct env_timer *timer)
{
	struct sim_transport *transport = container_of(timer, struct sim_transport, timer);
	uint64_t now = sim_time(transport->world);

	while (transport->letters && transport->letters->due <= now) {
		struct sim_letter *letter = transport->letters;

		transport->letters = letter->next;
		deliver(transport, letter);
	}
	set_timer(transport);
}

static void set_timer(struct sim_transport *transport)
{
	uint64_t now = sim_time(transport->world);
	uint64_t due = transport->letters ? transport->letters->due : 0;

	if (transport->letters)
		env_timer_start(&transport->timer, transport->loop,
			env_now(sim_node_env(transport->node)) + (due > now ? due - now : 0), on_timer);
}

static struct sim_letter *letter_new(struct sim_transport *transport, uint64_t delay)
{
	struct sim_letter *letter = calloc(1, sizeof *letter);

	check(letter);
	letter->due = sim_time(transport->world) + 1 + delay;
	return letter;
}

static void insert(struct sim_transport *transport, struct sim_letter *letter)
{
	struct sim_letter **link = &transport->letters;

	while (*link && (*link)->due <= letter->due)
		link = &(*link)->next;
	letter->next = *link;
	*link = letter;
	if (transport->letters == letter)
		set_timer(transport);
}

static void post(struct sim_transport *transport, const struct peer_envelope *envelope,
	const struct raft_message *message)
{
	struct sim_letter *letter = letter_new(transport, sim_random(transport->world, transport->latency));

	letter->envelope = *envelope;
	letter->message = copy_of(message);
	insert(transport, letter);
}

void sim_transport_call(
	struct sim_transport *transport, uint64_t delay, void (*arrived)(void *argument), void *argument)
{
	struct sim_letter *letter = letter_new(transport, delay);

	letter->arrived = arrived;
	letter->argument = argument;
	insert(transport, letter);
}

/* ---- The store's side ------------------------------------------------------------------------------------------- */

static void note(struct sim_transport *transport, const struct peer_envelope *envelope,
	const struct raft_message *message)
{
	transport->sent[message->type]++;
	transport->words_sent += envelope->word != PEER_WORD_NONE;
	for (size_t i = 0; i < message->entries.count; i++) {
		const struct raft_entry *entry = &message->entries.items[i];

		if (entry->payload_size > 0 && !entry->payload)
			transport->payloads_missing++;
	}
}

static void send(
	struct transport *base, const struct peer_envelope *envelope, const struct raft_message *message)
{
	struct sim_transport_end *from = container_of(base, struct sim_transport_end, base);
	struct sim_transport *transport = from->transport;

	note(transport, envelope, message);
	if (from->is_cut || sim_chance(transport->world, transport->loss_ppm))
		return;
	if (transport->filter && !transport->filter(transport->filter_argument, envelope, message))
		return;
	post(transport, envelope, message);
	if (sim_chance(transport->world, transport->repeat_ppm))
		post(transport, envelope, message);
}

static void send_snapshot(struct transport *base, const struct peer_envelope *envelope,
	const struct raft_message *message, struct snapshot_source *source)
{
	struct sim_transport_end *from = container_of(base, struct sim_transport_end, base);

	note(from->transport, envelope, message);
	sim_stream_begin(from, end_of(from->transport, envelope->to.store), envelope, message, source);
}

static void send_alive(struct transport *base, uint64_t store, uint64_t incarnation)
{
	struct sim_transport_end *from = container_of(base, struct sim_transport_end, base);
	struct sim_transport *transport = from->transport;
	struct sim_letter *letter;
	struct peer_envelope envelope = {
		.from = {.store = (uint64_t)(from - transport->ends) + 1}, .to = {.store = store}};

	transport->alive_sent++;
	if (from->is_cut || sim_chance(transport->world, transport->loss_ppm))
		return;
	if (transport->filter &&
		!transport->filter(transport->filter_argument, &envelope, &(struct raft_message){0}))
		return;
	letter = letter_new(transport, sim_random(transport->world, transport->latency));
	letter->envelope = envelope;
	letter->alive = incarnation;
	insert(transport, letter);
}

static const struct transport_ops operations = {send, send_snapshot, send_alive};

/* ---- Life ------------------------------------------------------------------------------------------------------- */

void sim_transport_init(struct sim_transport *transport, struct sim_world *world)
{
	*transport = (struct sim_transport){
		.world = world, .node = sim_node_new(world, "transport"), .latency = 2 * SIM_MS};
	check(env_loop_new(sim_node_start(transport->node), "transport", &transport->loop) == 0);
	check(env_loop_start(transport->loop) == 0);
}

void sim_transport_close(struct sim_transport *transport)
{
	while (transport->letters) {
		struct sim_letter *letter = transport->letters;

		transport->letters = letter->next;
		letter_free(letter);
	}
	sim_streams_close(transport);
	env_timer_stop(&transport->timer);
}

struct transport *sim_transport_end(struct sim_transport *transport, uint64_t store, struct raftkv **raftkv)
{
	struct sim_transport_end *end = end_of(transport, store);

	*end = (struct sim_transport_end){.base = {&operations}, .transport = transport, .raftkv = raftkv};
	return &end->base;
}
