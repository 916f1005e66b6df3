#include "fs/cluster/region_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "proto/status.h"

#define INDEX_SIZE_FIRST 16u
#define JOINT_ROLES	 (REGION_VOTER_OUTGOING | REGION_LEARNER_NEXT)
#define ROLES		 (JOINT_ROLES | REGION_VOTER | REGION_LEARNER)

static uint32_t hash(uint64_t id)
{
	return (uint32_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static struct region_entry *entry_at(const struct region_table *table, uint32_t position)
{
	return &table->chunks[position / REGION_TABLE_CHUNK][position % REGION_TABLE_CHUNK];
}

static struct region_replica *replicas_of(struct region_entry *entry)
{
	return entry->replica_count > REGION_TABLE_INLINE ? entry->there : entry->here;
}

/* ---- Stores ---- */

static bool is_unused(const struct region_table_store *store)
{
	return store->replicas == 0 && store->leaders == 0 && !store->is_reporting && !store->has_reported;
}

/* The position of a store; `*spare` is the first that it may have otherwise. REGION_TABLE_NO_STORE: it has none. */
static uint16_t find_position(const struct region_table *table, uint64_t id, uint16_t *spare)
{
	uint32_t position = hash(id) % REGION_TABLE_STORES_MAX;

	*spare = REGION_TABLE_NO_STORE;
	for (uint32_t i = 0; i < REGION_TABLE_STORES_MAX; i++) {
		const struct region_table_store *store = &table->stores[position];

		if (store->id == id)
			return (uint16_t)position;
		if (*spare == REGION_TABLE_NO_STORE && (store->id == 0 || is_unused(store)))
			*spare = (uint16_t)position;
		if (store->id == 0)
			break;
		position = (position + 1) % REGION_TABLE_STORES_MAX;
	}
	return REGION_TABLE_NO_STORE;
}

static uint16_t make_position(struct region_table *table, uint64_t id)
{
	uint16_t spare, position = find_position(table, id, &spare);

	if (position != REGION_TABLE_NO_STORE || spare == REGION_TABLE_NO_STORE)
		return position;
	table->stores[spare] = (struct region_table_store){.id = id};
	return spare;
}

static struct region_table_store *find_store(const struct region_table *table, uint64_t id)
{
	uint16_t spare, position = find_position(table, id, &spare);

	return position == REGION_TABLE_NO_STORE ? NULL
						 : (struct region_table_store *)&table->stores[position];
}

const struct region_table_store *region_table_find_store(const struct region_table *table, uint64_t store)
{
	return find_store(table, store);
}

/* ---- Sums ---- */

static void add_leader(struct region_table *table, const struct region_entry *entry)
{
	struct region_table_store *store;

	if (entry->leader == REGION_TABLE_NO_STORE)
		return;
	store = &table->stores[entry->leader];
	store->leaders++;
	store->cpu_us += entry->cpu_us;
	store->ops += entry->ops;
}

static void subtract_leader(struct region_table *table, const struct region_entry *entry)
{
	struct region_table_store *store;

	if (entry->leader == REGION_TABLE_NO_STORE)
		return;
	store = &table->stores[entry->leader];
	check(store->leaders > 0);
	store->leaders--;
	store->cpu_us -= entry->cpu_us;
	store->ops -= entry->ops;
}

static void add_replicas(struct region_table *table, const struct region_entry *entry)
{
	const struct region_replica *replicas = region_entry_replicas(entry);

	for (uint32_t i = 0; i < entry->replica_count; i++) {
		table->stores[replicas[i].store].replicas++;
		table->stores[replicas[i].store].bytes += entry->bytes;
	}
}

static void subtract_replicas(struct region_table *table, const struct region_entry *entry)
{
	const struct region_replica *replicas = region_entry_replicas(entry);

	for (uint32_t i = 0; i < entry->replica_count; i++) {
		check(table->stores[replicas[i].store].replicas > 0);
		table->stores[replicas[i].store].replicas--;
		table->stores[replicas[i].store].bytes -= entry->bytes;
	}
}

static void forget_leader(struct region_table *table, struct region_entry *entry)
{
	subtract_leader(table, entry);
	entry->leader = REGION_TABLE_NO_STORE;
	table->version++;
}

/* ---- The index ---- */

/* The place of the region in the index, or the free one where it would stand. The index is not empty. */
static uint32_t place_of(const struct region_table *table, uint64_t region)
{
	uint32_t mask = table->index_size - 1, place = hash(region) & mask;

	while (table->index[place] != 0 && entry_at(table, table->index[place] - 1)->id != region)
		place = (place + 1) & mask;
	return place;
}

static struct region_entry *find_entry(const struct region_table *table, uint64_t region)
{
	uint32_t position = table->index_size == 0 ? 0 : table->index[place_of(table, region)];

	return position == 0 ? NULL : entry_at(table, position - 1);
}

const struct region_entry *region_table_find(const struct region_table *table, uint64_t region)
{
	return find_entry(table, region);
}

static int reserve_index(struct region_table *table)
{
	uint32_t size = table->index_size == 0 ? INDEX_SIZE_FIRST : table->index_size * 2;
	uint32_t *index;

	if ((uint64_t)(table->count + 1) * 4 <= (uint64_t)table->index_size * 3)
		return 0;
	index = calloc(size, sizeof *index);
	if (!index)
		return -ENOMEM;
	free(table->index);
	table->index = index;
	table->index_size = size;
	for (uint32_t i = 0; i < table->count; i++)
		index[place_of(table, entry_at(table, i)->id)] = i + 1;
	return 0;
}

/* Frees a place, and moves those behind it that would not be found any more. */
static void clear_place(struct region_table *table, uint32_t place)
{
	uint32_t mask = table->index_size - 1, next = place;

	for (;;) {
		uint32_t wanted;

		table->index[place] = 0;
		do {
			next = (next + 1) & mask;
			if (table->index[next] == 0)
				return;
			wanted = hash(entry_at(table, table->index[next] - 1)->id) & mask;
		} while (((next - wanted) & mask) < ((next - place) & mask));
		table->index[place] = table->index[next];
		place = next;
	}
}

static int reserve_chunk(struct region_table *table)
{
	if (table->count < table->chunk_count * REGION_TABLE_CHUNK)
		return 0;
	if (table->chunk_count == table->chunk_capacity) {
		uint32_t capacity = table->chunk_capacity == 0 ? 1 : table->chunk_capacity * 2;
		struct region_entry **chunks =
			realloc(table->chunks, capacity * sizeof(struct region_entry *));

		if (!chunks)
			return -ENOMEM;
		table->chunks = chunks;
		table->chunk_capacity = capacity;
	}
	table->chunks[table->chunk_count] = malloc(REGION_TABLE_CHUNK * sizeof(struct region_entry));
	if (!table->chunks[table->chunk_count])
		return -ENOMEM;
	table->chunk_count++;
	return 0;
}

/* ---- Reports ---- */

static bool is_well_formed(const struct region_report *report)
{
	bool has_leader = false;

	if (report->region == 0 || report->leader == 0 || report->replica_count == 0 ||
		report->replica_count > REGION_PEERS_MAX)
		return false;
	for (uint32_t i = 0; i < report->replica_count; i++) {
		const struct region_report_replica *replica = &report->replicas[i];

		if (replica->id == 0 || replica->store == 0 || replica->roles == 0 || replica->roles & ~ROLES)
			return false;
		has_leader |= replica->store == report->leader;
		for (uint32_t k = 0; k < i; k++)
			if (report->replicas[k].store == replica->store ||
				report->replicas[k].id == replica->id)
				return false;
	}
	return has_leader;
}

static bool is_stale(const struct region_entry *entry, const struct region_report *report)
{
	return report->term < entry->term || report->epoch.version < entry->epoch.version ||
	       report->epoch.conf_version < entry->epoch.conf_version;
}

static uint8_t flags_of(const struct region_report_replica *replica)
{
	return (uint8_t)((replica->flags & REGION_REPLICA_IS_DOWN ? REGION_HAS_DOWN : 0) |
			 (replica->roles & JOINT_ROLES ? REGION_IS_CHANGING : 0) |
			 (replica->roles & (REGION_LEARNER | REGION_LEARNER_NEXT) ? REGION_HAS_LEARNER : 0));
}

static void fill_replicas(
	struct region_table *table, struct region_entry *entry, const struct region_report *report)
{
	struct region_replica *replicas = replicas_of(entry);

	for (uint32_t i = 0; i < report->replica_count; i++) {
		const struct region_report_replica *from = &report->replicas[i];
		uint16_t spare;

		replicas[i] = (struct region_replica){.id = from->id,
			.store = find_position(table, from->store, &spare),
			.roles = from->roles,
			.flags = from->flags};
		entry->flags |= flags_of(from);
	}
}

/* `there`: memory for the replicas where there are more than fit into an entry. */
static struct region_entry make_entry(
	struct region_table *table, const struct region_report *report, struct region_replica *there)
{
	struct region_entry entry = {.id = report->region,
		.epoch = report->epoch,
		.term = report->term,
		.bytes = report->bytes < REGION_TABLE_BYTES_MAX ? report->bytes : REGION_TABLE_BYTES_MAX,
		.rows = report->rows,
		.cpu_us = report->cpu_us,
		.ops = report->ops,
		.taken = table->sequence,
		.replica_count = (uint8_t)report->replica_count};
	uint16_t spare;

	if (there)
		entry.there = there;
	entry.leader = find_position(table, report->leader, &spare);
	fill_replicas(table, &entry, report);
	return entry;
}

static void free_replicas(struct region_entry *entry)
{
	if (entry->replica_count > REGION_TABLE_INLINE)
		free(entry->there);
}

/* One position after the other is taken: `reserved` keeps the earlier ones from being given up for the later ones. */
static int reserve_stores(struct region_table *table, const struct region_report *report)
{
	uint32_t reserved = 0;
	int status = 0;

	for (; status == 0 && reserved < report->replica_count; reserved++) {
		uint16_t position = make_position(table, report->replicas[reserved].store);

		if (position == REGION_TABLE_NO_STORE) {
			status = STATUS_LIMIT;
			break;
		}
		table->stores[position].replicas++;
	}
	for (uint32_t i = 0; i < reserved; i++)
		find_store(table, report->replicas[i].store)->replicas--;
	return status;
}

static int reserve(
	struct region_table *table, const struct region_report *report, struct region_replica **there)
{
	int status = reserve_stores(table, report);

	if (status == 0)
		status = reserve_index(table);
	if (status == 0)
		status = reserve_chunk(table);
	if (status < 0 || report->replica_count <= REGION_TABLE_INLINE)
		return status;
	*there = malloc(report->replica_count * sizeof **there);
	return *there ? 0 : -ENOMEM;
}

/* `taken` apart. */
static bool is_same(const struct region_entry *a, const struct region_entry *b)
{
	const struct region_replica *left = region_entry_replicas(a), *right = region_entry_replicas(b);
	bool is = a->epoch.version == b->epoch.version && a->epoch.conf_version == b->epoch.conf_version &&
		  a->term == b->term && a->leader == b->leader && a->bytes == b->bytes &&
		  a->rows == b->rows && a->cpu_us == b->cpu_us && a->ops == b->ops && a->flags == b->flags &&
		  a->replica_count == b->replica_count;

	for (uint32_t i = 0; is && i < a->replica_count; i++)
		is = left[i].id == right[i].id && left[i].store == right[i].store &&
		     left[i].roles == right[i].roles && left[i].flags == right[i].flags;
	return is;
}

int region_table_take(struct region_table *table, const struct region_report *report)
{
	struct region_entry *entry, next;
	struct region_replica *there = NULL;
	int status;

	if (!is_well_formed(report))
		return STATUS_MALFORMED;
	entry = find_entry(table, report->region);
	if (entry && is_stale(entry, report))
		return -ESTALE;
	status = reserve(table, report, &there);
	if (status < 0)
		return status;
	next = make_entry(table, report, there);
	if (entry && report->bytes == 0)
		next.bytes = entry->bytes;
	if (entry && report->cpu_us == 0 && !planted("reports:load_forgotten"))
		next.cpu_us = entry->cpu_us;
	if (!entry || !is_same(entry, &next))
		table->version++;
	add_leader(table, &next);
	add_replicas(table, &next);
	if (entry) {
		subtract_leader(table, entry);
		subtract_replicas(table, entry);
		free_replicas(entry);
	} else {
		entry = entry_at(table, table->count);
		table->index[place_of(table, report->region)] = ++table->count;
	}
	*entry = next;
	return 0;
}

void region_table_remove(struct region_table *table, uint64_t region)
{
	struct region_entry *entry = find_entry(table, region);
	struct region_entry *last;
	uint32_t place, position;

	if (!entry)
		return;
	subtract_leader(table, entry);
	subtract_replicas(table, entry);
	free_replicas(entry);
	place = place_of(table, region);
	position = table->index[place];
	clear_place(table, place);
	last = entry_at(table, table->count - 1);
	if (last != entry) {
		table->index[place_of(table, last->id)] = position;
		*entry = *last;
	}
	table->count--;
	table->version++;
	/* A chunk stays empty, so that a region that comes and goes does not allocate each time. */
	if (table->count + REGION_TABLE_CHUNK < table->chunk_count * REGION_TABLE_CHUNK)
		free(table->chunks[--table->chunk_count]);
}

/* ---- Full reports ---- */

int region_table_begin_report(struct region_table *table, uint64_t id)
{
	uint16_t position = make_position(table, id);

	if (position == REGION_TABLE_NO_STORE)
		return STATUS_LIMIT;
	table->stores[position].began = ++table->sequence;
	table->stores[position].is_reporting = true;
	return 0;
}

void region_table_end_report(struct region_table *table, uint64_t id)
{
	struct region_table_store *store = find_store(table, id);

	if (!store || !store->is_reporting)
		return;
	for (uint32_t i = 0; i < table->count; i++) {
		struct region_entry *entry = entry_at(table, i);

		if (entry->leader == store - table->stores && (int32_t)(entry->taken - store->began) < 0)
			forget_leader(table, entry);
	}
	store->is_reporting = false;
	store->has_reported = true;
}

void region_table_forget_store(struct region_table *table, uint64_t id)
{
	struct region_table_store *store = find_store(table, id);

	if (!store)
		return;
	for (uint32_t i = 0; store->leaders > 0 && i < table->count; i++)
		if (entry_at(table, i)->leader == store - table->stores)
			forget_leader(table, entry_at(table, i));
	store->is_reporting = false;
	store->has_reported = false;
}

/* ---- Life ---- */

uint64_t region_table_memory(const struct region_table *table)
{
	uint64_t size = table->index_size * sizeof *table->index +
			table->chunk_capacity * sizeof *table->chunks +
			(uint64_t)table->chunk_count * REGION_TABLE_CHUNK * sizeof(struct region_entry);

	for (uint32_t i = 0; i < table->count; i++)
		if (entry_at(table, i)->replica_count > REGION_TABLE_INLINE)
			size += entry_at(table, i)->replica_count * sizeof(struct region_replica);
	return size;
}

void region_table_init(struct region_table *table)
{
	memset(table, 0, sizeof *table);
}

void region_table_close(struct region_table *table)
{
	for (uint32_t i = 0; i < table->count; i++)
		free_replicas(entry_at(table, i));
	for (uint32_t i = 0; i < table->chunk_count; i++)
		free(table->chunks[i]);
	free(table->chunks);
	free(table->index);
	region_table_init(table);
}
