/* Ends sessions: those that were closed, and those that were silent for too long. */
#include <inttypes.h>

#include "fs/cluster/coordinator_internal.h"

static void run_end_step(struct coordinator *coordinator, enum op_kind kind, uint64_t session)
{
	const struct op op = {
		.kind = kind, .session_end = {.session = session, .from = coordinator->end_from}};

	coordinator_run(coordinator, &op);
}

void coordinator_on_session_step(
	struct coordinator *coordinator, const struct op *op, const struct op_reply *reply)
{
	enum op_kind kind = op->kind;

	if (kind == OP_SESSION_CLOSE) {
		session_table_set_dying(&coordinator->table, op->session_end.session);
	} else if (kind == OP_SESSION_FORGET) {
		coordinator->end_step = OP_SESSION_END;
		coordinator->end_from = 0;
	} else if (kind == OP_SESSION_END && reply->more) {
		coordinator->end_from = reply->id;
	} else if (kind == OP_SESSION_END) {
		coordinator->end_step = OP_SESSION_REMOVE;
	} else if (kind == OP_SESSION_REMOVE) {
		session_table_remove(&coordinator->table, coordinator->ending);
		log_info(coordinator->options.logger, "msg=\"session ended\" session=%" PRIu64,
			coordinator->ending);
		coordinator->ending = 0;
	}
}

bool coordinator_end_sessions(struct coordinator *coordinator)
{
	uint64_t session;

	if (coordinator->ending == 0 && session_table_find_dying(&coordinator->table, &coordinator->ending))
		coordinator->end_step = OP_SESSION_FORGET;
	if (coordinator->ending > 0) {
		run_end_step(coordinator, coordinator->end_step, coordinator->ending);
		return true;
	}
	if (!session_table_find_expired(&coordinator->table, env_now(coordinator->env), &session))
		return false;
	log_warn(coordinator->options.logger, "msg=\"session was silent for too long\" session=%" PRIu64,
		session);
	run_end_step(coordinator, OP_SESSION_CLOSE, session);
	return true;
}
