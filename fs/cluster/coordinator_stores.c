/* Takes the stores' reports, and enters stores that are new or have restarted. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "fs/cluster/coordinator_internal.h"

static bool is_same_life(const struct store_report *one, const struct store_report *other)
{
	return one->store == other->store && one->incarnation == other->incarnation &&
	       one->directory_id == other->directory_id && strcmp(one->address, other->address) == 0;
}

int coordinator_report(struct coordinator *coordinator, const struct store_report *report, uint64_t *id)
{
	struct store_entry *owner = store_table_find_address(&coordinator->stores, report->address), *entry;
	int status;

	*id = 0;
	if (coordinator->term == 0 || coordinator->is_stopping)
		return STATUS_NOT_LEADER;
	if (coordinator->stores.count == 0)
		return -EAGAIN; /* the records have not been read yet */
	status = store_table_report(&coordinator->stores, report, env_now(coordinator->env), id);
	entry = store_table_find(&coordinator->stores, report->store);
	if (status == 0 && entry) {
		coordinator_note_use(coordinator, entry);
		coordinator_take_regions(coordinator, report);
	}
	if (status == 0 && report->nameless)
		coordinator_note_nameless(coordinator, report->nameless);
	if (status == 0 && report->split_dirid > 0)
		coordinator_split_wished(coordinator, report->split_dirid);
	if (status == -EEXIST)
		*id = owner ? owner->id : 0;
	if (status != STATUS_NOT_FOUND)
		return status;
	if (coordinator->refusal < 0 && is_same_life(&coordinator->refused, report))
		return coordinator->refusal;
	if (!coordinator->is_entering) {
		coordinator->is_entering = true;
		coordinator->entrance = *report;
		coordinator->entrance.nameless = NULL;
		coordinator_go_on(coordinator);
	}
	return -EAGAIN;
}

bool coordinator_enter_store(struct coordinator *coordinator)
{
	const struct store_report *report = &coordinator->entrance;
	const struct op op = {.kind = OP_STORE_ENTER,
		.store_enter = {.id = report->store,
			.incarnation = report->incarnation,
			.directory_id = report->directory_id,
			.address = slice_of(report->address, strlen(report->address))}};

	if (coordinator->is_entering)
		coordinator_run(coordinator, &op);
	return coordinator->is_busy;
}

void coordinator_on_entered(struct coordinator *coordinator, int error, uint64_t id)
{
	const struct store_report *report = &coordinator->entrance;

	coordinator->is_entering = false;
	coordinator->reviewed = 0;
	if (error == 0) {
		log_info(coordinator->options.logger,
			"msg=\"a store has entered\" store=%" PRIu64 " incarnation=%" PRIu64
			" address=\"%s\"",
			id, report->incarnation, report->address);
		return;
	}
	coordinator->refused = *report;
	coordinator->refusal = error;
	log_warn(coordinator->options.logger,
		"msg=\"a store is refused\" store=%" PRIu64 " incarnation=%" PRIu64
		" address=\"%s\" reason=\"%s\"",
		report->store, report->incarnation, report->address, strerror(-error));
}
