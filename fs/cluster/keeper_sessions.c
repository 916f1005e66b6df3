/* Ends sessions: those that were closed, and those that were silent for too long. */
#include <inttypes.h>

#include "fs/cluster/keeper_internal.h"

static void run_end_step(struct keeper *keeper, enum op_kind kind, uint64_t session)
{
	const struct op op = {.kind = kind, .session_end = {.session = session, .from = keeper->end_from}};

	keeper_run(keeper, &op);
}

void keeper_on_session_step(struct keeper *keeper, const struct op *op, const struct op_reply *reply)
{
	enum op_kind kind = op->kind;

	if (kind == OP_SESSION_CLOSE) {
		session_table_set_dying(&keeper->table, op->session_end.session);
	} else if (kind == OP_SESSION_FORGET) {
		keeper->end_step = OP_SESSION_END;
		keeper->end_from = 0;
	} else if (kind == OP_SESSION_END && reply->more) {
		keeper->end_from = reply->id;
	} else if (kind == OP_SESSION_END) {
		keeper->end_step = OP_SESSION_REMOVE;
	} else if (kind == OP_SESSION_REMOVE) {
		session_table_remove(&keeper->table, keeper->ending);
		log_info(keeper->options.logger, "msg=\"session ended\" session=%" PRIu64, keeper->ending);
		keeper->ending = 0;
	}
}

bool keeper_end_sessions(struct keeper *keeper)
{
	uint64_t session;

	if (keeper->ending == 0 && session_table_find_dying(&keeper->table, &keeper->ending))
		keeper->end_step = OP_SESSION_FORGET;
	if (keeper->ending > 0) {
		run_end_step(keeper, keeper->end_step, keeper->ending);
		return true;
	}
	if (!session_table_find_expired(&keeper->table, env_now(keeper->env), &session))
		return false;
	log_warn(keeper->options.logger, "msg=\"session was silent for too long\" session=%" PRIu64, session);
	run_end_step(keeper, OP_SESSION_CLOSE, session);
	return true;
}
