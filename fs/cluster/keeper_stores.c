/* Stores that come, and that come back. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "fs/cluster/keeper_internal.h"

static bool is_same_life(const struct store_report *one, const struct store_report *other)
{
	return one->store == other->store && one->incarnation == other->incarnation &&
	       one->birth == other->birth && strcmp(one->address, other->address) == 0;
}

int keeper_report(struct keeper *keeper, const struct store_report *report, uint64_t *id)
{
	struct store_entry *owner = store_table_find_address(&keeper->stores, report->address), *entry;
	int status;

	*id = 0;
	if (keeper->term == 0 || keeper->is_stopping)
		return STATUS_NOT_LEADER;
	if (keeper->stores.count == 0)
		return -EAGAIN; /* the records have not been read yet */
	status = store_table_report(&keeper->stores, report, env_now(keeper->env), id);
	entry = store_table_find(&keeper->stores, report->store);
	if (status == 0 && entry)
		keeper_note_use(keeper, entry);
	if (status == -EEXIST)
		*id = owner ? owner->id : 0;
	if (status != STATUS_NOT_FOUND)
		return status;
	if (keeper->refusal < 0 && is_same_life(&keeper->refused, report))
		return keeper->refusal;
	if (!keeper->is_entering) {
		keeper->is_entering = true;
		keeper->entrance = *report;
		keeper_go_on(keeper);
	}
	return -EAGAIN;
}

bool keeper_enter_store(struct keeper *keeper)
{
	const struct store_report *report = &keeper->entrance;
	const struct op op = {.kind = OP_STORE_ENTER,
		.store_enter = {.id = report->store,
			.incarnation = report->incarnation,
			.birth = report->birth,
			.address = slice_of(report->address, strlen(report->address))}};

	if (keeper->is_entering)
		keeper_run(keeper, &op);
	return keeper->is_busy;
}

void keeper_on_entered(struct keeper *keeper, int error, uint64_t id)
{
	const struct store_report *report = &keeper->entrance;

	keeper->is_entering = false;
	keeper->reviewed = 0;
	if (error == 0) {
		log_info(keeper->options.logger,
			"msg=\"a store has entered\" store=%" PRIu64 " incarnation=%" PRIu64
			" address=\"%s\"",
			id, report->incarnation, report->address);
		return;
	}
	keeper->refused = *report;
	keeper->refusal = error;
	log_warn(keeper->options.logger,
		"msg=\"a store is refused\" store=%" PRIu64 " incarnation=%" PRIu64
		" address=\"%s\" reason=\"%s\"",
		report->store, report->incarnation, report->address, strerror(-error));
}
